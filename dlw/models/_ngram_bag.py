"""The layers of `ngram_bag`. Shape legend: B rows, T steps, G n-grams, D width, K outputs."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from dlw.errors import UsageError
from dlw.models import mlp
from dlw.models._dropout import Dropout
from dlw.models._mlp import entry, entry_size
from dlw.models._output import start_at
from dlw.models._steps import Pool
from dlw.models.ngram_bag import Settings
from dlw.ragged import FILL
from dlw.specs import FieldSpec, OutputSpec

MULTIPLIER = 1_000_003
"""A prime; products with it stay far below 2**63."""


class NgramBag(nn.Module):
    """Texts to vectors, columns beside them, dense layers, linear output."""

    def __init__(self, settings: Settings, inputs: Mapping[str, FieldSpec], output: OutputSpec) -> None:
        super().__init__()
        texts = {name: spec for name, spec in inputs.items() if spec.kind == "tokens"}
        columns = {name: spec for name, spec in inputs.items() if spec.kind != "tokens"}
        if not texts:
            raise UsageError(f"model ngram_bag takes at least one text, the recipe gives {', '.join(inputs)}")
        dense = mlp.Settings()
        self.texts, self.columns = tuple(texts), tuple(columns)
        self.bags = nn.ModuleList(Bag(settings, spec) for spec in texts.values())
        self.entries = nn.ModuleList(entry(dense, spec) for spec in columns.values())
        self.dropout = Dropout(settings.dropout)
        size = settings.width * len(texts) + sum(entry_size(dense, spec) for spec in columns.values())
        layers: list[nn.Module] = []
        for _ in range(settings.depth):
            layers += [nn.Linear(size, settings.hidden), nn.ReLU(), Dropout(settings.dropout)]
            size = settings.hidden
        self.joined = nn.Sequential(*layers)
        self.output = nn.Linear(size, output.size)
        start_at(self.output.bias, output)

    def forward(self, batch: Mapping[str, Tensor]) -> Tensor:
        """Return [B, K]."""
        parts = [bag(batch[name]) for name, bag in zip(self.texts, self.bags, strict=True)]
        parts += [layer(batch[name]).flatten(1) for name, layer in zip(self.columns, self.entries, strict=True)]
        answer_BK: Tensor = self.output(self.joined(self.dropout(torch.cat(parts, dim=1))))
        return answer_BK


class Bag(nn.Module):
    """One text to the mean of the vectors of its n-grams."""

    def __init__(self, settings: Settings, spec: FieldSpec) -> None:
        super().__init__()
        self.sizes = range(settings.shortest, settings.longest + 1)
        self.num_tokens, self.buckets = spec.sizes[0], settings.buckets
        self.first_bucket = self.num_tokens if settings.shortest == 1 else 1
        num_buckets = settings.buckets if settings.longest > 1 else 0
        self.vectors = nn.Embedding(self.first_bucket + num_buckets, settings.width)
        self.token_dropout = settings.token_dropout
        self.pool = Pool(settings.pool, settings.width)
        nn.init.uniform_(self.vectors.weight, -1 / settings.width, 1 / settings.width)

    def words(self) -> nn.Module:
        """See ReadsWords: of n-grams."""
        return self.vectors

    def forward(self, ids_BT: Tensor) -> Tensor:
        """Return [B, D]."""
        ngram_BG = self._ngrams(ids_BT.long())
        is_there_BG = ngram_BG != FILL["tokens"]
        if self.training and self.token_dropout:
            is_there_BG = is_there_BG & (torch.rand(ngram_BG.shape, device=ngram_BG.device) >= self.token_dropout)
        pooled_BD: Tensor = self.pool(self.vectors(ngram_BG), is_there_BG)
        return pooled_BD

    def _ngrams(self, ids_BT: Tensor) -> Tensor:
        """Return the row of the table of every n-gram, 0 where a text has ended before its last token."""
        longest = self.sizes[-1]
        padded_BT = torch.nn.functional.pad(ids_BT, (0, longest - 1))
        num_steps = ids_BT.shape[1]
        found = []
        hash_BT = torch.zeros_like(ids_BT)
        for size in range(1, longest + 1):
            last_BT = padded_BT[:, size - 1 : size - 1 + num_steps]
            hash_BT = (hash_BT * MULTIPLIER + last_BT) % self.buckets if size > 1 else last_BT % self.buckets
            if size in self.sizes:
                row_BT = last_BT if size == 1 else self.first_bucket + (hash_BT * MULTIPLIER + size) % self.buckets
                found.append(torch.where(last_BT == FILL["tokens"], 0, row_BT))
        return torch.cat(found, dim=1)
