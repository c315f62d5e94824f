"""Plan: what a training run takes before it begins: parameters, FLOPs, memory, time, cost. Nothing here allocates a weight."""
