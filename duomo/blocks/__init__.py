"""Blocks: what every shape and every sense is built of."""

from duomo.blocks.attention import Attention
from duomo.blocks.cache import Cache, Quick
from duomo.blocks.inflated import Inflated
from duomo.blocks.masks import cross_mask, cross_view, self_mask, self_view
from duomo.blocks.positions import Positions, rotary_angles, sinusoids
from duomo.blocks.sense import Sense
from duomo.blocks.stack import Block, FeedForward, Stack
from duomo.blocks.swift import Head, swift_step
from duomo.blocks.view import View

__all__ = [
    "Attention",
    "Block",
    "Cache",
    "FeedForward",
    "Head",
    "Inflated",
    "Positions",
    "Quick",
    "Sense",
    "Stack",
    "View",
    "cross_mask",
    "cross_view",
    "rotary_angles",
    "self_mask",
    "self_view",
    "sinusoids",
    "swift_step",
]
