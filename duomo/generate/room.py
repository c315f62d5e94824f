"""Room: how many bytes the caches of a running batch take: told from the recipe, before a weight is read."""

from duomo.recipe import ModelRecipe

NUMBER = 4  # bytes of one, float32: as models are opened


def cache_bytes(recipe: ModelRecipe, rows: int, capacity: int, number: int = NUMBER) -> int:
    """Bytes of keys and values of `Running(…, rows, capacity)`: of all its rows, and of the one prompt that is being read.

    An encoder-decoder keeps for each row what its layers make of a source that is as long. An encoder has no cache: 0.
    """
    block, capacity = recipe.block, min(capacity, recipe.max_positions)
    columns = capacity + 1 + (capacity if recipe.shape == "encoder_decoder" else 0)
    token = 2 * recipe.decoder_depth * (block.kv_heads or block.heads) * block.head_width * number
    return (rows + 1) * columns * token
