"""Classical models of windows: scikit-learn pipelines by name, for comparison with the networks."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.base import BaseEstimator
from sklearn.compose import ColumnTransformer
from sklearn.decomposition import PCA
from sklearn.ensemble import HistGradientBoostingClassifier, RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC
from sklearn.tree import DecisionTreeClassifier
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

from ecgtune.errors import ModelError
from ecgtune.labels import CLASSES
from ecgtune.training.class_counts import class_counts

Floats = NDArray[np.float32]
Rows = NDArray[np.integer]

COMPONENTS = 40
"""Principal components that distances are taken in."""


@dataclass(frozen=True)
class Recipe:
    """What a model is built from.

    Parameters
    ----------
    samples
        Columns that are samples of the window; those after them are RR features.
    features
        All columns.
    rows
        Of the training side.
    balanced
        ``class_weight`` of scikit-learn.
    seed, threads
        Of what draws at random, and of what runs in parallel.
    """

    samples: int
    features: int
    rows: int
    balanced: str | None
    seed: int
    threads: int

    def reduced(self) -> list[BaseEstimator]:
        """RR features on the scale of their spread, then principal components of everything."""
        pca = PCA(min(COMPONENTS, self.features, self.rows), random_state=self.seed)
        if self.features == self.samples:
            return [pca]
        scaled = ("rhythm", StandardScaler(), slice(self.samples, None))
        return [ColumnTransformer([scaled], remainder="passthrough"), pca]


@dataclass(frozen=True)
class FittedClassical:
    """A trained classical model.

    Parameters
    ----------
    model
        Of scikit-learn.
    seconds
        Wall time of the fit.
    threads
        That it was given, and predicts with.
    """

    model: Pipeline = field(repr=False)
    seconds: float
    threads: int


def svm(recipe: Recipe) -> Pipeline:
    """Support vectors with an RBF kernel, exact.

    On raw windows of 70,000 beats an exact machine is slow, and the usual ways out are fewer beats or an
    approximate kernel. Neither is needed: in the space of the first 40 components few support vectors
    separate the beats, and the fit takes two seconds for 20,000 beats of DS1 on one core and five for 36,000.
    It also labels more of them rightly than a linear machine on 400 Nystroem features does.
    """
    machine = SVC(C=30, gamma="scale", class_weight=recipe.balanced, cache_size=500)
    return make_pipeline(*recipe.reduced(), machine)


def random_forest(recipe: Recipe) -> Pipeline:
    """Two hundred trees; linear in beats and trees, about 20 s for 20,000 beats on one core."""
    weight = "balanced_subsample" if recipe.balanced else None
    return make_pipeline(
        RandomForestClassifier(200, class_weight=weight, random_state=recipe.seed, n_jobs=recipe.threads)
    )


def gradient_boosting(recipe: Recipe) -> Pipeline:
    """Boosted trees on binned samples; a tree for each class and round, 0.1 to 0.2 s a round.

    It would hold a tenth of the beats back to stop early; it does not, so that all models learn from all.
    """
    return make_pipeline(
        HistGradientBoostingClassifier(
            max_iter=150, early_stopping=False, class_weight=recipe.balanced, random_state=recipe.seed
        )
    )


def nearest_neighbours(recipe: Recipe) -> Pipeline:
    """Three nearest beats, weighted by their distance, which stands in for class weights it does not know.

    Nothing to fit; each prediction measures the distance to every training beat, in 40 components instead of
    all samples.
    """
    return make_pipeline(
        *recipe.reduced(),
        KNeighborsClassifier(3, weights="distance", algorithm="brute", n_jobs=recipe.threads),
    )


def decision_tree(recipe: Recipe) -> Pipeline:
    """One tree whose leaves hold five beats or more; seconds."""
    return make_pipeline(
        DecisionTreeClassifier(min_samples_leaf=5, class_weight=recipe.balanced, random_state=recipe.seed)
    )


def logistic_regression(recipe: Recipe) -> Pipeline:
    """A linear model of the standardised columns, by Newton's method: 3 s for 20,000 beats on one core.

    Neighbouring samples are nearly the same, and methods of first order take a minute for them.
    """
    return make_pipeline(
        StandardScaler(), LogisticRegression(class_weight=recipe.balanced, solver="newton-cholesky")
    )


CLASSICAL_MODELS: dict[str, Callable[[Recipe], Pipeline]] = {
    "svm": svm,
    "random-forest": random_forest,
    "gradient-boosting": gradient_boosting,
    "k-nearest-neighbours": nearest_neighbours,
    "decision-tree": decision_tree,
    "logistic-regression": logistic_regression,
}


def classical_inputs(windows: ArrayLike, rhythm: ArrayLike | None = None) -> Floats:
    """Flatten windows and put RR features after them.

    Parameters
    ----------
    windows
        [n, channels, width].
    rhythm
        RR features [n, features], as `ecgtune.beats.rhythm` gives them, or none.

    Returns
    -------
    ndarray
        float32 [n, channels x width + features].

    Raises
    ------
    ModelError
        Where the shapes do not belong together.
    """
    x = np.asarray(windows, dtype=np.float32)
    extra = np.zeros((len(x), 0)) if rhythm is None else np.asarray(rhythm)
    if x.ndim != 3 or extra.ndim != 2 or len(extra) != len(x):
        raise ModelError(
            f"windows of shape {x.shape} with RR features of shape {extra.shape}; "
            "give [n, channels, width] and [n, features]"
        )
    return np.concatenate([x.reshape(len(x), -1), extra], axis=1, dtype=np.float32)


def fit_classical(
    name: str,
    windows: ArrayLike,
    labels: ArrayLike,
    train: Rows,
    *,
    rhythm: ArrayLike | None = None,
    classes: Sequence[str] = CLASSES,
    may_lack: Sequence[str] = (),
    weighted: bool = True,
    seed: int = 0,
    threads: int = 1,
) -> FittedClassical:
    """Fit a classical model.

    Parameters
    ----------
    name
        Of `CLASSICAL_MODELS`; each says what it costs.
    windows, rhythm
        See `classical_inputs`.
    labels
        Index into ``classes`` of each window, int [n].
    train
        Rows, int.
    classes
        Names of the classes.
    may_lack
        Classes that the training side may be without.
    weighted
        Whether classes count alike, in models that know weights. It brings small classes back and costs
        accuracy.
    seed
        Of every random draw.
    threads
        Of everything that runs in parallel. More than there are free cores make boosting many times slower.

    Raises
    ------
    ModelError
        On an unknown model, a class that the training side lacks, or shapes that do not belong together.
    """
    if name not in CLASSICAL_MODELS:
        raise ModelError(f"unknown model {name!r}; known: {', '.join(CLASSICAL_MODELS)}")
    x = classical_inputs(windows, rhythm)
    y = np.asarray(labels)
    if y.shape != (len(x),):
        raise ModelError(f"labels of shape {y.shape} for {len(x)} windows; give one for each")
    class_counts(y[train], classes, may_lack)
    recipe = Recipe(
        samples=int(np.prod(np.shape(windows)[1:])),
        features=x.shape[1],
        rows=len(train),
        balanced="balanced" if weighted else None,
        seed=seed,
        threads=threads,
    )
    began = time.perf_counter()
    with threadpool_limits(threads):
        model = CLASSICAL_MODELS[name](recipe).fit(x[train], y[train])
    return FittedClassical(model, time.perf_counter() - began, threads)


def predict_classical(
    fitted: FittedClassical,
    windows: ArrayLike,
    rows: Rows | None = None,
    *,
    rhythm: ArrayLike | None = None,
) -> NDArray[np.int64]:
    """Class of windows, int64 [rows].

    Parameters
    ----------
    fitted
        See `fit_classical`.
    windows, rhythm
        As the model was fitted.
    rows
        Of the windows; all of them, in order, where None.
    """
    x = classical_inputs(windows, rhythm)
    with threadpool_limits(fitted.threads):
        return np.asarray(fitted.model.predict(x if rows is None else x[rows]), dtype=np.int64)
