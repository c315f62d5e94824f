import pytest
import torch

from duomo.interchange.agree import difference

NAN, INF = float("nan"), float("inf")


def rows() -> list[torch.Tensor]:
    return list(torch.randn(3, 4, 5, generator=torch.Generator().manual_seed(0)))


def test_the_largest_difference_counts_in_deviations() -> None:
    other = [row.clone() for row in rows()]
    other[1][2, 3] += 0.5
    assert difference(rows(), rows()) == 0
    assert difference(rows(), other) == pytest.approx(0.5 / float(torch.stack(rows()).std()))


@pytest.mark.parametrize("row", range(3))
@pytest.mark.parametrize("number", (NAN, INF, -INF))
@pytest.mark.parametrize("side", (0, 1))
def test_a_number_that_is_not_finite_agrees_with_nothing(row: int, number: float, side: int) -> None:
    both = rows(), rows()
    both[side][row][0, 0] = number
    assert difference(*both) == INF


def test_rows_that_are_all_alike_have_no_measure() -> None:
    assert difference([torch.ones(2, 3)], [torch.ones(2, 3)]) == INF
