"""When a taught head is refused: where it is not better, where it does harm, and where it forgets."""

from __future__ import annotations

import pytest

from edge.teaching.scoring import Figures, Share
from edge.teaching.verdict import Kept, refusal

NOTHING = Kept({"": Share(0, 0)}, {"": Share(0, 0)})


def figures(named: int, of: int, right: int, wrong: int = 0) -> Figures:
    return Figures(Share(named, of), Share(right, right + wrong), Share(right, of))


def judged(before: dict[str, Figures], after: dict[str, Figures], kept: Kept = NOTHING) -> str:
    return refusal(before, after, ("paper", "glass"), kept, 0.95)


def test_one_that_names_more_and_sorts_no_worse_may_be_used() -> None:
    before = {"": figures(20, 40, 10), "paper": figures(10, 20, 5), "glass": figures(10, 20, 5)}
    after = {"": figures(35, 40, 25), "paper": figures(18, 20, 15), "glass": figures(17, 20, 10)}
    assert judged(before, after) == ""


def test_one_that_names_fewer_of_what_the_base_knows_is_refused_whatever_it_learnt_besides() -> None:
    before = {"": figures(30, 60, 20), "paper": figures(30, 40, 20), "cup": figures(0, 20, 0)}
    after = {"": figures(45, 60, 40), "paper": figures(28, 40, 20), "cup": figures(17, 20, 20)}
    assert "of the labels that the base knows it names 28 of 40" in judged(before, after)


def test_two_new_things_named_do_not_make_up_for_what_is_sorted_no_more() -> None:
    before = {
        "": figures(56, 80, 56),
        "paper": figures(18, 20, 18),
        "glass": figures(38, 40, 38),
        "cup": figures(0, 20, 0),
    }
    after = {
        "": figures(58, 80, 47),
        "paper": figures(18, 20, 10),
        "glass": figures(38, 40, 37),
        "cup": figures(2, 20, 0),
    }
    assert "it would sort 47 items rightly" in judged(before, after)


def test_one_that_sorts_fewer_and_no_longer_wrongly_may_be_used() -> None:
    before = {"": figures(20, 40, 20, 10), "paper": figures(20, 40, 20, 10)}
    after = {"": figures(20, 40, 15, 0), "paper": figures(20, 40, 15, 0)}
    assert judged(before, after) == ""


def test_one_that_changes_nothing_is_refused() -> None:
    same = {"": figures(40, 40, 40), "paper": figures(40, 40, 40)}
    assert "not better than the base" in judged(same, same)


@pytest.mark.parametrize(
    ("after", "said"),
    [
        (
            {"": Share(380, 400), "paper": Share(190, 200), "glass": Share(190, 200)},
            "it would forget: of what the base",
        ),
        ({"": Share(392, 400), "paper": Share(197, 200), "glass": Share(180, 200)}, "it would forget glass"),
        ({"": Share(394, 400), "paper": Share(197, 200), "glass": Share(197, 200)}, ""),
    ],
)
def test_one_that_forgets_is_refused_in_all_and_label_by_label(after: dict[str, Share], said: str) -> None:
    before = {"": Share(395, 400), "paper": Share(198, 200), "glass": Share(197, 200)}
    better = (
        {"": figures(10, 40, 5), "paper": figures(10, 40, 5)},
        {"": figures(30, 40, 25), "paper": figures(30, 40, 25)},
    )
    told = judged(*better, Kept(before, after))
    assert (told == "") if not said else (said in told)
