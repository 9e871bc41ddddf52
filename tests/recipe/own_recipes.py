"""Recipes that use most keys, so that the tests have something to read beside the shipped recipes."""

from __future__ import annotations

OWN = {
    "own-table": """\
recipe: 1
name: claims
task: {type: classification, label_smoothing: 0.1, class_weights: balanced}
seed: 7
data:
  source: claims.csv
  splits: {type: group, train: 0.8, validation: 0.1, test: 0.1, by: policy, seed: 3}
  inputs: {age: number, make: {type: category, min_count: 3}, day: timestamp}
  target: {fraud: category}
  max_bad: 0.02
  drop_missing_target: true
model: {type: tabular_transformer, depth: 2, heads: 4, dropout: 0.2, activation: gelu}
optimizer: {type: muon, lr: 0.02, momentum: 0.9, adamw_lr: 1e-3, weight_decay: 0.01}
lr_scheduler: {type: cosine, warmup_fraction: 0.1, final_fraction: 0.01}
train:
  epochs: 4
  batch_size: 128
  accumulate: 2
  precision: fp32
  device: cpu
  threads: 2
  clip_norm: 1.0
  ema_decay: 0.99
  early_stopping: {patience: 3, min_delta: 0.001}
  validate_every: 100 steps
checkpoint: {every: 10 minutes, keep: 3, monitor: validation/average_precision}
evaluate: {metrics: [average_precision, auroc, log_loss], slices: [make], bootstrap: 100, baseline: false}
export: {format: torch_export, tolerance: 1e-3}
benchmark: {batch_sizes: [1, 8]}
""",
    "own-images": """\
name: pictures
task: classification
data:
  source: [a.parquet, b.parquet]
  splits: {train: "train[:90%]", validation: "train[90%:]"}
  inputs: {picture: {type: image}}
  target: {label: category}
  augment: [{type: horizontal_flip}, {type: random_crop, padding: 2}, {type: mixup}]
  resident: true
model: {type: resnet, widths: [16, 32], depths: [1, 1]}
optimizer: {type: sgd, lr: 0.1, momentum: 0.9, nesterov: true}
train: {steps: 200, batch_size: 32}
evaluate: {metrics: [accuracy, f1_macro], require: ["test/accuracy >= 0.5"]}
""",
}
