"""The sections of a recipe, as pydantic models: the one place that says which keys exist, their types and ranges.

Anything with variants is a Block: `{type: name, ...options}` or just `name`. The options of a Block belong to the
plug-in it names and are checked against that plug-in's own Settings in the second stage (recipe.check).
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Discriminator,
    Field,
    StringConstraints,
    Tag,
    model_validator,
)

from dlw.recipe._amounts import Bytes, Count, Decay, Fraction, Interval, NotNegative, Positive

DEFAULT_EPOCHS = 10
"""Passes over the training split where a recipe says neither epochs nor steps."""


class Section(BaseModel):
    """Unknown keys are errors; a recipe never changes after it is read."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class Block(BaseModel):
    """`{type: name, ...options}`; `options` are checked by the plug-in's Settings."""

    model_config = ConfigDict(extra="allow", frozen=True, allow_inf_nan=False)

    type: str = Field(description="The plug-in's name, as `dlw list` shows it.")

    @property
    def options(self) -> dict[str, Any]:
        """The options beside `type`, as written."""
        return dict(self.model_extra or {})


def _named(value: Any) -> Any:
    return {"type": value} if isinstance(value, str) else value


Named = Annotated[Block, BeforeValidator(_named)]
"""A Block that may be shortened to its name."""


class SplitPlan(Section):
    """How to cut one table into splits."""

    type: Literal["random", "stratified", "group", "time", "position", "scaffold"] = Field(
        "random",
        description="random rows; stratified by the target; whole groups of `by`; by order of the time column `by`; "
        "by position in the file; whole scaffolds of the molecules in `by`, the most frequent in train.",
    )
    train: Fraction = Field(0.8, description="Fraction of the rows for training.")
    validation: Fraction = Field(0.1, description="Fraction of the rows for choosing the checkpoint.")
    test: Fraction = Field(0.1, description="Fraction of the rows for the final score.")
    by: str | None = Field(None, description="Column that groups or orders the rows.")
    seed: int = Field(0, ge=0, description="Seed of the random choice.")
    fold: int = Field(
        0,
        ge=0,
        le=999,
        description="Which part is test, for cross-validation: with `test: 0.2`, folds 0 to 4 test every row once; for "
        "random, stratified and group.",
    )


def _source_kind(value: Any) -> str:
    return "list" if isinstance(value, list) else "mapping" if isinstance(value, (dict, Block)) else "text"


Source = Annotated[
    Annotated[str, Tag("text")] | Annotated[list[str], Tag("list")] | Annotated[Block, Tag("mapping")],
    Discriminator(_source_kind),
]

SplitName = Literal["train", "validation", "test"]
SplitSlice = Annotated[str, StringConstraints(pattern=r"^\s*[\w.-]+\s*(\[\s*(-?\d+%?)?\s*:\s*(-?\d+%?)?\s*\])?\s*$")]
"""Rows of one of the source's splits: `train`, `train[:80%]`, `train[55000:]`."""


def _splits_kind(value: Any) -> str:
    is_plan = isinstance(value, SplitPlan) or (
        isinstance(value, dict)
        and ("type" in value or any(isinstance(share, (int, float)) for share in value.values()))
    )
    return "plan" if is_plan else "slices"


Splits = Annotated[
    Annotated[dict[SplitName, SplitSlice], Tag("slices")] | Annotated[SplitPlan, Tag("plan")],
    Discriminator(_splits_kind),
]


class Data(Section):
    """Where the rows come from and what each column means."""

    source: Source = Field(
        description="File(s), folder, glob, URL or Hub id; or `{type: ..., ...}`. Relative to the recipe's folder."
    )
    splits: Splits | None = Field(
        None,
        description='Split name to slice of the source, such as `{train: "train[:90%]", validation: "train[90%:]"}`, '
        "or a plan `{type: stratified, train: 0.8, ...}`. Default: the source's own splits.",
    )
    inputs: Literal["auto"] | dict[str, Named] = Field(
        "auto", description="Column to field type; `auto` decides from the training split and writes its decision down."
    )
    target: dict[str, Named] = Field(
        {}, description="Column(s) to learn, each with its field type; none where the task learns from its input alone."
    )
    drop: list[str] = Field([], description="Columns that `inputs: auto` leaves out.")
    augment: list[Named] = Field([], description="Training-time changes, in order.")
    resident: Literal["auto"] | bool = Field("auto", description="Keep the encoded data in memory.")
    memory_budget: Bytes | None = Field(
        None, description="Memory for rows, such as `2 GiB`; larger data stays on disk. Default: 2/5 of what is free."
    )
    max_bad: Fraction = Field(0.01, description="Share of unreadable rows that is skipped; above it is an error.")
    drop_missing_target: bool = Field(False, description="Leave out training rows without a target instead of failing.")
    strict: bool = Field(False, description="Make duplicate rows across splits an error instead of a warning.")


class AdamW(Section):
    """AdamW (Loshchilov and Hutter 2019, arXiv:1711.05101)."""

    type: Literal["adamw"] = "adamw"
    lr: Positive = Field(1e-3, le=100, description="Peak learning rate.")
    betas: list[Decay] = Field(
        [0.9, 0.999], min_length=2, max_length=2, description="Decay of the first and second moment."
    )
    eps: Positive = Field(1e-8, description="Added to the denominator.")
    weight_decay: NotNegative = Field(0.01, description="Decoupled decay; biases, norms and embeddings are spared.")


class SGD(Section):
    """Stochastic gradient descent with momentum."""

    type: Literal["sgd"] = "sgd"
    lr: Positive = Field(0.1, le=100, description="Peak learning rate.")
    momentum: Decay = Field(0.9, description="Momentum.")
    nesterov: bool = Field(True, description="Nesterov's form of momentum.")
    weight_decay: NotNegative = Field(5e-4, description="L2 decay; biases, norms and embeddings are spared.")


class Muon(Section):
    """Muon for the weight matrices (torch.optim.Muon), AdamW for everything else."""

    type: Literal["muon"] = "muon"
    lr: Positive = Field(0.02, le=100, description="Peak learning rate of the matrices.")
    momentum: Decay = Field(0.95, description="Momentum of the matrices.")
    weight_decay: NotNegative = Field(0.01, description="Decoupled decay of the matrices.")
    adamw_lr: Positive = Field(1e-3, le=100, description="Peak learning rate of everything else.")


def _optimizer(value: Any) -> Any:
    value = _named(value)
    return {"type": "adamw", **value} if isinstance(value, dict) else value


Optimizer = Annotated[AdamW | SGD | Muon, BeforeValidator(_optimizer), Field(discriminator="type")]


class Scheduler(Section):
    """Learning rate over the run: warm-up from 0 to `lr`, then down to `final_fraction * lr`."""

    type: Literal["one_cycle", "cosine", "linear", "constant"] = Field(
        "cosine", description="one_cycle: cosine up and down; cosine and linear: linear up, then down; constant: stay."
    )
    warmup_fraction: Fraction = Field(0.05, description="Share of the steps spent warming up.")
    final_fraction: Fraction = Field(0.0, description="Last learning rate as a share of `lr`.")


class EarlyStopping(Section):
    """Stop when the monitored metric has not improved for a while."""

    patience: Count = Field(10, description="Validations without improvement before stopping.")
    min_delta: NotNegative = Field(0.0, description="Smallest change that counts as improvement.")


class Train(Section):
    """The training loop."""

    epochs: Count | None = Field(None, description="Passes over the training split; default 10 unless `steps` is set.")
    steps: Count | None = Field(None, description="Optimizer steps instead of epochs.")
    batch_size: Count = Field(64, description="Rows per optimizer step (before accumulation).")
    accumulate: Count = Field(1, description="Batches whose gradients are added up before a step.")
    precision: Literal["auto", "fp32", "bf16"] = Field("auto", description="auto: bf16 where that is fast, else fp32.")
    device: str = Field(
        "auto", pattern=r"^(auto|cpu|cuda(:\d{1,3})?|mps)$", description="auto, cpu, cuda, cuda:N or mps."
    )
    threads: int | None = Field(None, ge=1, le=1024, description="CPU threads; default OMP_NUM_THREADS, or all cores.")
    workers: int = Field(0, ge=0, le=256, description="Loader threads for data that is not resident.")
    shard: bool = Field(False, description="Each of several processes holds a part of the weights (FSDP2), not all.")
    ema_decay: Decay | None = Field(None, description="Average the weights with this decay and use the average.")
    clip_norm: Positive | None = Field(None, description="Largest gradient norm.")
    adversarial: Positive | None = Field(
        None,
        description="Learn as well from word vectors pushed towards a larger loss, by this share of their length.",
    )
    early_stopping: EarlyStopping | None = Field(None, description="Stop when validation no longer improves.")
    validate_every: Annotated[str, StringConstraints(pattern=r"^[1-9]\d{0,8} (epochs?|steps?)$")] = Field(
        "1 epoch", description="How often the validation split is scored: `1 epoch`, `500 steps`."
    )
    tensorboard: bool = Field(False, description="Also write TensorBoard events into the run (extra `tensorboard`).")


class Checkpoint(Section):
    """When to save, and which checkpoint is best."""

    every: Interval = Field("1 epoch", description="How often to save: `1 epoch`, `500 steps`, `10 minutes`.")
    keep: int = Field(2, ge=2, le=10_000, description="Newest checkpoints kept, beside the best.")
    monitor: str | None = Field(None, description="Split and metric that choose the best, such as `validation/loss`.")


class Episodes(Section):
    """Few-shot episodes: each row that searches is answered by the nearest row of its episode that can be found."""

    source: str = Field(description="File(s) or folder with the rows; relative to the recipe's folder.")
    within: str = Field(description="Column that names the episode.")
    answer: str = Field(description="Column that names the class within the episode, alike for a row and its match.")
    role: str = Field(description="Column that says which rows search and which can be found.")
    found: str = Field(description="What `role` holds for the rows that can be found.")


class Evaluate(Section):
    """How the run is judged."""

    metrics: list[str] | None = Field(None, description="Metrics to report; default: the task's.")
    baseline: bool = Field(True, description="Report a plain baseline beside the network.")
    slices: list[str] = Field([], description="Columns whose values are scored separately.")
    require: list[str] = Field(
        [],
        description='Conditions such as "test/accuracy >= 0.9" or, about a column of `slices`, '
        '"max_gap(tpr, sex) <= 0.1"; unmet ends with exit 9.',
    )
    within: str | None = Field(
        None,
        description="Column that names the recording of a row: anomaly scores are judged within each, then averaged.",
    )
    episodes: Episodes | None = Field(
        None, description="Few-shot episodes as the test split of the task embedding; recall_at_1 scores them."
    )
    bootstrap: int = Field(1000, ge=0, le=100_000, description="Resamples behind each 95 % interval; 0 for none.")


class Export(BaseModel):
    """The artifact; options beside these belong to the exporter."""

    model_config = ConfigDict(extra="allow", frozen=True, allow_inf_nan=False)

    format: str = Field("onnx", description="Exporter, as `dlw list exporters` shows it.")
    tolerance: Positive = Field(1e-4, description="Largest difference from the network that is accepted.")

    @property
    def options(self) -> dict[str, Any]:
        """The exporter's own options."""
        return dict(self.model_extra or {})


class Claims(Section):
    """What training and evaluating the recipe cost at most; `evaluate.require` says what it reaches at least."""

    minutes: Positive | None = Field(
        None,
        description="From starting a process to the last score, baselines included; on the clock or of the processor, "
        "whichever is less, so that other work on the machine does not count.",
    )
    memory: Annotated[str, StringConstraints(pattern=r"^[1-9]\d{0,8} (MiB|GiB)$")] | None = Field(
        None, description="Largest resident memory of that process: `800 MiB`, `2 GiB`."
    )


class Benchmark(Section):
    """What `dlw benchmark` measures by default."""

    batch_sizes: list[Count] = Field([1, 64], min_length=1, description="Batch sizes for latency and throughput.")
    claims: Claims = Field(Claims(), description="What a suite (`dlw benchmark recipes/`) holds the recipe to.")


class Range(Section):
    """Numbers from `low` to `high`, both included; whole ones where the key takes only whole numbers."""

    low: float = Field(description="Smallest value.")
    high: float = Field(description="Largest value.")
    log: bool = Field(False, description="Try as many values between 0.001 and 0.01 as between 0.01 and 0.1.")
    step: Positive | None = Field(None, description="Try only `low`, `low + step`, ... up to `high`.")

    @model_validator(mode="after")
    def _check(self) -> Range:
        if self.low >= self.high:
            raise ValueError(f"low must be less than high, got {self.low:g} and {self.high:g}")
        if self.log and self.step is not None:
            raise ValueError("log and step contradict each other; give one of them")
        if self.log and self.low <= 0:
            raise ValueError(f"log needs a low above 0, got {self.low:g}")
        if self.step is not None:
            steps = (self.high - self.low) / self.step
            if abs(steps - round(steps)) > 1e-6:
                nearest = self.low + max(1, int(steps)) * self.step
                raise ValueError(f"high must be low plus whole steps of {self.step:g}; the nearest is {nearest:g}")
        return self


def _space_kind(value: Any) -> str:
    return "list" if isinstance(value, list) else "mapping"


Space = Annotated[
    Annotated[list[Any], Field(min_length=2), Tag("list")] | Annotated[Range, Tag("mapping")],
    Discriminator(_space_kind),
]
"""What a sweep tries for one key: a list of choices, or a Range."""


class Recipe(Section):
    """A whole recipe, composed and checked in its first stage."""

    recipe: Literal[1] = Field(1, description="Format version.")
    name: str = Field(
        pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,99}$", description="Names the run directory; letters, digits, . _ -"
    )
    task: Named = Field(description="What comes out: classification, regression, ...")
    seed: int = Field(42, ge=0, lt=2**32, description="Decides every random choice of the run.")
    data: Data
    model: Named = Field(description="The network.")
    optimizer: Optimizer = Field(AdamW(), description="The optimizer.")
    lr_scheduler: Annotated[Scheduler, BeforeValidator(_named)] = Field(
        Scheduler(), description="Learning rate over the run."
    )
    train: Train = Train()
    checkpoint: Checkpoint = Checkpoint()
    evaluate: Evaluate = Evaluate()
    export: Export = Export()
    benchmark: Benchmark = Benchmark()
    search: dict[str, Space] = Field(
        {},
        description="What `dlw sweep` tries: a key of the recipe, such as `optimizer.lr`, to a list of choices or to "
        "`{low: 1e-4, high: 1e-2, log: true}`. Every other command leaves it alone.",
    )
