"""Hyper-parameter search over the fine-tuning, on the views that a run has rendered.

Optuna, not KerasTuner: its trials live in one file that several processes share and that survives a kill, and
it prunes nothing behind our back.
"""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import Any

import optuna
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend

from training.fitting.prepare import Pools
from training.fitting.train import fit
from training.recipe import Recipe


def open_study(folder: Path, seed: int) -> optuna.Study:
    """Open or make the study of a run folder; every process that opens it works on the same trials."""
    folder.mkdir(parents=True, exist_ok=True)
    storage = JournalStorage(JournalFileBackend(str(folder / "trials.log")))
    study = optuna.create_study(study_name="fit", storage=storage, direction="maximize", load_if_exists=True)
    # Each process and each start draws on: with one seed for all, a study opened again would repeat its first trials.
    drawn = seed + 1000 * len(study.trials) + os.getpid()
    study.sampler = optuna.samplers.TPESampler(seed=drawn, constant_liar=True)
    return study


def suggest(trial: optuna.Trial, recipe: Recipe) -> Recipe:
    """Draw one setting of the fine-tuning."""
    drawn = {
        "learning_rate": trial.suggest_float("learning_rate", 5e-5, 2e-3, log=True),
        "label_smoothing": trial.suggest_float("label_smoothing", 0.0, 0.2),
        "mixup": trial.suggest_float("mixup", 0.0, 0.4),
        "keep_imagenet": trial.suggest_float("keep_imagenet", 0.0, 2.0),
    }
    return recipe.model_copy(update={"fit": recipe.fit.model_copy(update=drawn)})


def search(recipe: Recipe, data: Path, pools: Pools, folder: Path, trials: int) -> dict[str, Any]:
    """Run trials until `trials` are finished, counting those of other processes; return the best one."""
    study = open_study(folder, recipe.seed)

    def objective(trial: optuna.Trial) -> float:
        place = folder / f"trial-{trial.number}"
        place.mkdir(parents=True, exist_ok=True)
        _, _, best = fit(suggest(trial, recipe), data, pools, place)
        shutil.rmtree(place)
        trial.set_user_attr("alpha", best["alpha"])
        return best["mean"]

    enough = optuna.study.MaxTrialsCallback(trials, states=(optuna.trial.TrialState.COMPLETE,))
    done = len(study.get_trials(states=(optuna.trial.TrialState.COMPLETE,)))
    if done < trials:
        study.optimize(objective, callbacks=[enough])
    return {"value": study.best_value, **study.best_params, **study.best_trial.user_attrs}
