"""Random boxes and answers, and how a reference evaluator of COCO scores them."""

from __future__ import annotations

import contextlib
import io

import faster_coco_eval
import numpy as np

from dlw.specs import Outcome


def random_boxes(
    seed: int, pictures: int = 12, objects: int = 60, boxes: int = 14, classes: int = 3, digits: int = 2
) -> Outcome:
    """Return true boxes, answers that are moved copies of them or anything, and scores with ties."""
    random = np.random.default_rng(seed)
    truth = np.full((pictures, boxes, 5), -1.0)
    answer = np.zeros((pictures, objects, 6))
    answer[..., 0] = -1
    for row in range(pictures):
        count = random.integers(0, boxes + 1)
        corner = random.uniform(0, 80, (count, 2))
        truth[row, :count, 0] = random.integers(0, classes, count)
        truth[row, :count, 1:] = np.concatenate([corner, corner + random.uniform(3, 30, (count, 2))], axis=1)
        found = random.integers(0, objects + 1)
        source = random.integers(0, max(count, 1), found)
        moved = truth[row, source] + np.concatenate([np.zeros((found, 1)), random.normal(0, 1.5, (found, 4))], axis=1)
        moved[:, 3:] = np.maximum(moved[:, 3:], moved[:, 1:3] + 0.5)
        is_other = random.random(found) < 0.3
        moved[is_other | (moved[:, 0] < 0), 0] = random.integers(0, classes)
        answer[row, :found] = np.concatenate([moved, np.round(random.random((found, 1)), digits)], axis=1)
    return Outcome("boxes", answer.astype(np.float32), truth.astype(np.float32), tuple("abcdef"[:classes]))


def coco_scores(rows: Outcome) -> tuple[float, float]:
    """Return AP and AP50 by faster-coco-eval."""
    pictures, annotations, results = [], [], []
    for row in range(len(rows.target)):
        pictures.append({"id": row + 1, "width": 1000, "height": 1000})
        for label, left, top, right, bottom in rows.target[row][rows.target[row][:, 0] >= 0].astype(float).tolist():
            box = [left, top, right - left, bottom - top]
            record = {"image_id": row + 1, "category_id": int(label) + 1, "bbox": box, "area": box[2] * box[3]}
            annotations.append({**record, "id": len(annotations) + 1, "iscrowd": 0})
        for label, left, top, right, bottom, score in rows.prediction[row].astype(float).tolist():
            if label >= 0:
                box = [left, top, right - left, bottom - top]
                results.append({"image_id": row + 1, "category_id": int(label) + 1, "bbox": box, "score": score})
    categories = [{"id": place + 1, "name": name} for place, name in enumerate(rows.names)]
    with contextlib.redirect_stdout(io.StringIO()):
        truth = faster_coco_eval.COCO({"images": pictures, "annotations": annotations, "categories": categories})
        evaluation = faster_coco_eval.COCOeval_faster(truth, truth.loadRes(results), "bbox", print_function=print)
        evaluation.run()
    return float(evaluation.stats[0]), float(evaluation.stats[1])
