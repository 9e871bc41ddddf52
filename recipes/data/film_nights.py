"""Write the made-up log of recipes/data/film_nights: who saw which film when.

  python recipes/data/film_nights.py FOLDER

240 people with a taste of two genres out of eight see 12 to 30 of 160 films; a film of a series is often followed by
its next part, popular films are seen more. The random generator is seeded: the same files each time.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np

PEOPLE, FILMS, PARTS, SEED = 240, 160, 4, 7
GENRES = ("heist", "western", "space", "romance", "ghost", "sport", "court", "travel")


def film_nights() -> tuple[list[str], list[str]]:
    """Return the lines of the log and of the table of films."""
    random = np.random.default_rng(SEED)
    genre = np.arange(FILMS) // PARTS % len(GENRES)
    appeal = np.exp(random.normal(0, 0.7, FILMS))
    log = ["user_id,item_id,timestamp"]
    for person in range(PEOPLE):
        taste = random.choice(len(GENRES), 2, replace=False)
        seen: list[int] = []
        moment = int(random.integers(1_700_000_000, 1_730_000_000))
        for _ in range(int(random.integers(12, 31))):
            seen.append(_next(seen, np.isin(genre, taste), appeal, random))
            moment += int(random.integers(1, 14)) * 86_400
            log.append(f"u{person},{seen[-1] + 1},{moment}")
    names = [f"The {GENRES[genre[film]]} {film // PARTS + 1} part {film % PARTS + 1}" for film in range(FILMS)]
    films = [f"{film + 1},{name},{GENRES[genre[film]]}" for film, name in enumerate(names)]
    return log, ["item_id,title,genre", *films]


def _next(seen: list[int], is_liked: np.ndarray, appeal: np.ndarray, random: np.random.Generator) -> int:
    """Return the film seen next: of a series often the next part, else one by taste and appeal, never one twice."""
    if seen and (seen[-1] + 1) % PARTS and seen[-1] + 1 not in seen and random.random() < 0.5:
        return seen[-1] + 1
    weight = np.where(is_liked, 8.0, 1.0) * appeal
    weight[seen] = 0
    return int(random.choice(FILMS, p=weight / weight.sum()))


if __name__ == "__main__":
    folder = Path(sys.argv[1])
    folder.mkdir(parents=True, exist_ok=True)
    for name, lines in zip(("log.csv", "films.csv"), film_nights(), strict=True):
        (folder / name).write_text("\n".join(lines) + "\n", encoding="utf-8")
