"""Which point between the probe and the fine-tuned network a run keeps."""

from __future__ import annotations

from training.fitting.train import choose


def test_of_points_that_validation_cannot_tell_apart_the_one_nearest_to_the_probe_is_kept() -> None:
    table = [{"alpha": a, "plain": m, "mean": m} for a, m in ((0.0, 0.70), (0.5, 0.898), (0.8, 0.90), (1.0, 0.91))]
    assert choose(table, photos=400, checks=("plain",))["alpha"] == 0.5


def test_with_many_photos_the_best_point_is_kept() -> None:
    table = [{"alpha": a, "plain": m, "mean": m} for a, m in ((0.0, 0.70), (0.5, 0.898), (1.0, 0.91))]
    assert choose(table, photos=100_000, checks=("plain",))["alpha"] == 1.0


def test_where_sources_are_left_out_they_show_what_elsewhere_is_like_and_the_best_is_taken() -> None:
    table = [{"alpha": alpha, "mean": mean} for alpha, mean in ((0.5, 0.90), (1.0, 0.91))]
    for row in table:
        row |= {"plain": row["mean"], "shifted": row["mean"], "yard": row["mean"]}
    assert choose(table, photos=400, checks=("plain", "shifted"))["alpha"] == 0.5
    assert choose(table, photos=400, checks=("plain", "shifted", "yard"))["alpha"] == 1.0
