"""The words other tools use, known only to the `did you mean` of a recipe's problems.

Keys and plug-in names of Ludwig, Ultralytics, the Hugging Face Trainer, Keras, Lightning, timm, fastai and
scikit-learn, in snake_case. A word that another tool shares with dlw is not listed.
"""

from __future__ import annotations

from collections.abc import Iterable

from dlw.recipe._nearest import nearest, plain

_KEYS = {
    "recipe": "version schema_version ludwig_version format_version",
    "name": "experiment_name run_name model_name project experiment title",
    "task": "problem problem_type task_type objective task_name pipeline_tag head",
    "seed": "random_seed random_state seed_everything manual_seed rng_seed global_seed",
    "data": "dataset datasets data_module datamodule dm input_data dataloader",
    "data.source": "dataset datasets path data_path dataset_path data_dir data_files dataset_name train_file file csv "
    "root data_root uri url load_dataset train_data train_path filename",
    "data.splits": "split splitting preprocessing_split train_test_split validation_split val_split test_split "
    "split_probabilities test_size val_size valid_pct split_ratio",
    "data.inputs": "features input_features inputs_columns x feature_columns columns input_columns input feature_cols "
    "x_columns input_feature",
    "data.target": "label labels targets output_features outputs y output target_column label_column label_columns "
    "target_columns label_col target_col class_column output_feature y_column",
    "data.drop": "ignore ignored_columns exclude drop_columns ignore_columns excluded_columns remove_columns skip",
    "data.augment": "augmentation augmentations transforms transform data_augmentation aug augments batch_tfms "
    "item_tfms train_transforms auto_augment",
    "data.resident": "cache in_memory keep_in_memory preload cache_images load_in_memory",
    "model": "network net architecture arch backbone encoder combiner module model_type model_config estimator",
    "optimizer": "optim optimiser opt optimizers solver optimizer_config",
    "optimizer.lr": "learning_rate base_learning_rate lr0 base_lr max_lr learningrate eta step_size initial_lr "
    "peak_lr lr_max init_lr max_learning_rate",
    "optimizer.weight_decay": "l2 l2_regularization decay regularization_lambda wd weight_decay_rate alpha_l2 "
    "l2_penalty",
    "optimizer.eps": "epsilon adam_epsilon optimizer_eps",
    "optimizer.betas": "beta adam_betas beta_1 beta_2 adam_beta1 adam_beta2 beta1 beta2",
    "optimizer.momentum": "sgd_momentum mom moms",
    "lr_scheduler": "scheduler lr_scheduler_type learning_rate_scheduler schedule lr_schedule sched lr_policy "
    "lr_schedulers lr_scheduler_config",
    "lr_scheduler.warmup_fraction": "warmup warmup_ratio warmup_steps warmup_epochs num_warmup_steps warmup_proportion "
    "pct_start warmup_iters lr_warmup warmup_pct",
    "lr_scheduler.final_fraction": "lrf min_lr eta_min final_div_factor min_lr_ratio lr_min end_lr",
    "train": "trainer training fit training_args training_arguments train_config trainer_config learner",
    "train.epochs": "num_epochs n_epochs max_epochs epoch nb_epochs num_train_epochs nepochs number_of_epochs "
    "total_epochs n_epoch num_epoch max_epoch iterations_epochs",
    "train.steps": "max_steps num_steps n_steps train_steps iterations max_iters num_iterations total_steps "
    "max_iterations num_train_steps total_iters",
    "train.batch_size": "batch batchsize bs train_batch_size per_device_train_batch_size mini_batch_size "
    "minibatch_size num_per_batch batch_size_train per_gpu_batch_size micro_batch_size samples_per_batch",
    "train.accumulate": "gradient_accumulation_steps accumulate_grad_batches grad_accum accumulation_steps "
    "gradient_accumulation grad_accumulation_steps nbs",
    "train.precision": "fp16 bf16 amp mixed_precision half dtype torch_dtype use_amp",
    "train.device": "accelerator devices gpu gpus cuda no_cuda use_gpu use_cpu",
    "train.threads": "num_threads n_threads n_jobs cpu_threads nthread torch_num_threads",
    "train.workers": "num_workers dataloader_num_workers n_workers loader_workers num_data_workers",
    "train.ema_decay": "ema ema_rate model_ema model_ema_decay use_ema ema_momentum swa",
    "train.adversarial": "fgm adversarial_training adversarial_epsilon adv_epsilon vat fgsm awp",
    "train.clip_norm": "gradient_clip_val max_grad_norm clip_grad clip_grad_norm gradient_clipping clipnorm grad_clip "
    "clip gradient_clip clip_value grad_clip_norm max_norm clip_gradients",
    "train.early_stopping": "early_stop earlystopping use_early_stopping",
    "train.early_stopping.patience": "early_stopping_patience patience_epochs n_iter_no_change",
    "train.early_stopping.min_delta": "early_stopping_threshold tolerance_stop",
    "train.validate_every": "eval_steps evaluation_strategy eval_strategy val_check_interval check_val_every_n_epoch "
    "validation_frequency val_period eval_every evaluate_every validation_freq eval_interval val_interval val_every",
    "checkpoint": "checkpoints checkpointing model_checkpoint save callbacks saving",
    "checkpoint.every": "save_steps save_strategy save_period save_freq checkpoint_every save_every "
    "every_n_epochs save_interval every_n_train_steps checkpoint_interval",
    "checkpoint.keep": "save_total_limit save_top_k keep_last max_to_keep keep_checkpoints num_checkpoints",
    "checkpoint.monitor": "metric_for_best_model best_metric validation_metric eval_metric monitor_metric save_best",
    "evaluate": "evaluation eval validation test testing validate",
    "evaluate.metrics": "metric scoring eval_metrics evaluation_metrics compute_metrics scorers",
    "evaluate.slices": "slice subgroups groups group_by slice_by",
    "evaluate.require": "requirements requires assert threshold thresholds min_accuracy",
    "evaluate.bootstrap": "n_bootstrap num_bootstrap bootstraps bootstrap_samples n_resamples confidence",
    "export": "exporting exporter save_model deploy deployment",
    "export.format": "export_format formats save_format",
    "export.tolerance": "atol tol rtol",
    "search": "sweep hyperopt tune tuning hpo search_space param_grid param_distributions sweep_config",
    "benchmark": "benchmarks benchmarking profile profiler",
    "benchmark.batch_sizes": "batchsizes",
    "extends": "extend base bases defaults _base_ inherit inherits include includes import imports from parent",
    "class_weights": "class_weight pos_weight loss_weights weights_per_class scale_pos_weight weighted",
    "label_smoothing": "smoothing label_smooth label_smoothing_factor",
    "focal_gamma": "focal focal_loss gamma fl_gamma focal_loss_gamma",
    "positive": "positive_class positive_label pos_label",
    "threshold": "decision_threshold thresholds classification_threshold cutoff cut_off prob_threshold",
    "costs": "cost cost_matrix misclassification_cost error_costs",
    "false_positive": "cost_false_positive fp false_positives cost_fp fp_cost",
    "false_negative": "cost_false_negative fn false_negatives cost_fn fn_cost",
    "calibrate": "calibration calibrator temperature_scaling calibration_method",
    "clusters": "n_clusters num_clusters k n_components num_groups groups",
    "code": "latent latent_dim bottleneck code_size latent_size z_dim encoding_dim",
    "head": "clusterer cluster_method clustering_method covariance_type",
    "loss": "criterion loss_fn loss_function loss_func",
    "dropout": "dropout_rate drop_rate drop p_drop dropout_prob dropout_p hidden_dropout_prob hidden_dropout "
    "resid_drop attention_dropout attn_dropout dropout_probability",
    "width": "hidden_size hidden_dim hidden_units hidden embed_dim d_model units output_size num_hidden dim "
    "hidden_features n_units embedding_size",
    "depth": "num_layers n_layers layers num_fc_layers num_blocks n_blocks num_hidden_layers n_hidden",
    "widths": "channels out_channels filters num_filters hidden_sizes stage_widths",
    "depths": "blocks layers_per_stage stage_depths blocks_per_stage",
    "heads": "num_heads n_heads nhead num_attention_heads n_head attention_heads",
    "test_time_flips": "tta test_time_augmentation test_time_augment flip_test tta_flips",
    "members": "ensemble ensemble_size n_members k num_members num_ensembles n_estimators",
    "activation": "act activation_function act_layer hidden_act nonlinearity",
    "norm": "normalization norm_layer batch_norm use_batchnorm",
    "patch": "patch_size",
    "height": "image_height img_height",
    "width_pixels": "image_width img_width",
    "channels": "num_channels in_channels in_chans input_channels",
}

_NAMES = {
    "tasks": {
        "classification": "image_classification text_classification tabular_classification binary_classification "
        "multiclass multi_class multiclass_classification classify classifier cls binary categorical multilabel "
        "multi_label multilabel_classification audio_classification sequence_classification",
        "regression": "tabular_regression regress regressor reg numerical continuous quantile_regression "
        "multi_target_regression",
        "clustering": "cluster kmeans k_means grouping unsupervised gmm mixture",
        "detection": "object_detection detect detector bounding_boxes bbox face_detection",
    },
    "models": {
        "detector": "yolo yolov5 yolov8 yolo11 yolox fcos retinanet ssd faster_rcnn centernet rtmdet detr efficientdet",
        "mlp": "linear dense fully_connected feedforward feed_forward ffn fnn perceptron dnn tabnet tabm realmlp "
        "logistic_regression concat",
        "tabular_transformer": "ft_transformer fttransformer tab_transformer tabtransformer saint",
        "cluster_autoencoder": "kmeans k_means gmm gaussian_mixture dec idec deep_clustering autoencoder_clusters",
        "resnet": "cnn convnet conv resnet18 resnet34 resnet50 resnet101 wide_resnet wrn stacked_cnn vgg lenet "
        "efficientnet convnext mobilenet densenet",
        "vit": "vision_transformer vit_base vit_tiny vit_small deit transformer image_transformer swin",
    },
    "fields": {
        "number": "numeric numerical float float32 float64 int int32 int64 integer double real continuous regression "
        "num decimal quantitative",
        "category": "categorical class label string str text bool boolean binary factor enum nominal class_label "
        "classlabel cat multiclass",
        "labels": "set multilabel multi_label tags label_list",
        "image": "img picture photo images pixels vision",
        "timestamp": "date datetime time date_time datetime64 temporal",
        "boxes": "bbox bboxes bounding_box bounding_boxes objects detections",
    },
    "optimizer": {
        "adamw": "adam adamax nadam radam adamw_torch adamw_torch_fused rmsprop adagrad lion fused_adam adafactor",
        "sgd": "momentum nesterov gradient_descent",
    },
    "lr_scheduler": {
        "one_cycle": "onecycle onecyclelr one_cycle_lr 1cycle superconvergence",
        "cosine": "cosineannealing cosine_annealing cosineannealinglr cosine_decay cosine_with_restarts cos "
        "linear_warmup_cosine_decay cosine_annealing_lr",
        "linear": "linear_decay polynomial linear_schedule_with_warmup linear_with_warmup",
        "constant": "none fixed constant_with_warmup no off",
    },
    "train.precision": {
        "fp32": "float32 f32 single full 32 32_true no false highest",
        "bf16": "bfloat16 bf16_mixed bf16_true fp16 float16 half mixed 16_mixed amp 16 mixed_bfloat16",
    },
    "train.device": {"cuda": "gpu nvidia", "cpu": "processor", "mps": "metal apple"},
    "data.splits": {"validation": "val valid dev eval", "train": "training fit", "test": "testing holdout hold_out"},
    "data.splits.type": {
        "random": "shuffle fixed",
        "stratified": "stratify",
        "group": "groups grouped",
        "time": "temporal chronological datetime",
        "position": "sequential ordered order",
    },
    "metrics": {
        "accuracy": "acc top1 categorical_accuracy binary_accuracy accuracy_score sparse_categorical_accuracy",
        "auroc": "auc roc_auc roc roc_auc_score rocauc auc_roc",
        "average_precision": "ap pr_auc auprc prauc average_precision_score",
        "map": "mean_average_precision map50_95 map_50_95 coco_map box_map ap50_95",
        "map50": "ap50 map_50 map_at_50 map_0_5 box_map50",
        "f1": "f1_score f_score f_measure f1_binary",
        "f1_macro": "macro_f1 f1macro",
        "log_loss": "cross_entropy crossentropy nll logloss categorical_crossentropy",
        "rmse": "root_mean_squared_error root_mean_square_error mean_squared_error mse",
        "mae": "mean_absolute_error l1",
        "r2": "r_squared r2_score rsquared",
        "mape": "mean_absolute_percentage_error",
        "ece": "calibration expected_calibration_error calibration_error",
        "brier": "brier_score",
        "recall": "sensitivity",
        "tpr": "true_positive_rate equal_opportunity equal_opportunity_difference",
        "fpr": "false_positive_rate fall_out",
        "selection_rate": "demographic_parity statistical_parity positive_rate demographic_parity_difference",
        "mean_cost": "cost expected_cost total_cost misclassification_cost",
        "ari": "adjusted_rand adjusted_rand_score adjusted_rand_index rand_index",
        "nmi": "normalized_mutual_info normalized_mutual_info_score mutual_information normalised_mutual_information",
        "silhouette": "silhouette_score silhouette_samples",
        "balanced_accuracy": "balanced_acc balanced_accuracy_score",
    },
    "exporters": {
        "torch_export": "torchscript pt2 torch pytorch exported_program jit",
        "aot_inductor": "aot aoti aotinductor inductor torch_compile compiled",
        "onnx": "onnxruntime ort",
        "safetensors": "safetensor weights state_dict",
    },
    "augment": {
        "horizontal_flip": "hflip fliplr random_horizontal_flip randomhorizontalflip flip randomflip flip_lr",
        "vertical_flip": "vflip flipud random_vertical_flip randomverticalflip",
        "random_crop": "randomcrop crop random_resized_crop randomresizedcrop",
        "random_erasing": "cutout erase erasing randomerasing random_erase coarse_dropout",
        "color": "colour color_jitter colorjitter hsv jitter brightness contrast",
        "random_affine": "affine rotate rotation random_rotation randomrotation randomaffine shift_scale_rotate zoom",
        "elastic": "elastic_transform elastictransform elastic_deformation",
        "quarter_turn": "rotate90 random_rotate90 randomrotate90 rot90",
        "spec_augment": "specaugment time_mask frequency_mask masking",
        "synthetic_defects": "synthetic_anomalies simulated_anomalies cutpaste cut_paste draem",
        "illumination": "random_illumination uneven_light lighting shading vignette",
        "token_dropout": "word_dropout worddropout token_masking random_mask text_noise",
        "speed": "speed_perturb time_stretch resample",
        "rand_augment": "randaugment randaug autoaugment auto_augment trivial_augment trivialaugment",
        "mixup": "mix_up",
        "cutmix": "cut_mix",
        "number_noise": "noise gaussian_noise gauss_noise feature_noise",
        "column_dropout": "feature_dropout swap_noise",
    },
}

PYTHON_OBJECTS = frozenset(
    {
        "_target_",
        "class_path",
        "_component_",
        "_partial_",
        "_args_",
        "_recursive_",
        "_convert_",
        "init_args",
        "dict_kwargs",
        "__class__",
        "__module__",
        "__reduce__",
        "py/object",
        "py/reduce",
        "py/type",
        "_type_",
        "_name_",
        "callable",
        "import_path",
        "entry_point",
        "module_path",
        "class_name",
        "fn_name",
        "custom_objects",
        "registered_name",
        "trust_remote_code",
    }
)
"""Keys by which other tools name Python objects in a file."""

_KEYS_OF: dict[str, list[str]] = {}
for _target, _words in _KEYS.items():
    for _word in _words.split():
        _KEYS_OF.setdefault(_word, []).append(_target)
_NAME_OF = {
    room: {word: target for target, words in names.items() for word in words.split()} for room, names in _NAMES.items()
}


def keys_meant(word: str, *, exactly: bool) -> list[str]:
    """Return the dotted paths (or the options of plug-ins) that other tools call `word`."""
    word = plain(word)
    if exactly:
        return _KEYS_OF.get(word, [])
    near = nearest(word, [known for known in _KEYS_OF if len(known) >= 5], share=5)
    return _KEYS_OF[near] if near else []


def name_meant(room: str, word: str, known: Iterable[str]) -> str | None:
    """Return the known name (plug-in, split, word of a closed list) that `word` stands for elsewhere, or nearly is."""
    known = list(known)
    word = plain(word.rpartition(".")[2] or word)
    same = [name for name in known if plain(name) == word]
    meant = _NAME_OF.get(room, {}).get(word)
    if not same and meant in known:
        return meant
    return same[0] if same else nearest(word, known) or _starting(word, known)


def _starting(word: str, known: list[str]) -> str | None:
    near = [name for name in known if len(word) >= 3 and (plain(name).startswith(word) or word.startswith(plain(name)))]
    return min(near, key=len) if near else None
