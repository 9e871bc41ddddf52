# Written by `python -m dlw.cli.completions`; do not edit.
_dlw() {
    local current="${COMP_WORDS[COMP_CWORD]}" previous="${COMP_WORDS[COMP_CWORD-1]}"
    local command="" word words="" options="" files="" index IFS=$' \t\n'
    for ((index = 1; index < COMP_CWORD; index++)); do
        word="${COMP_WORDS[index]}"
        if [[ $word == -* ]]; then
            continue
        elif [[ -z $command ]]; then
            command="$word"
        elif [[ " recipe data runs " == *" $command "* ]]; then
            command="$command $word"
        fi
    done
    case "$previous" in
        --out|--resume|--code|--data|--output|-o|--save|--against) compopt -o filenames 2>/dev/null; COMPREPLY=($(compgen -f -- "$current")); return ;;
        --set|-s|--threads|--workers|--devices|--restarts|--cache|--slice|--require|--text|--keep|--draw|--index|--matches|--class|--metric|--most|--tolerance|--quantize|--max-score-loss|--min-agreement|--min-speedup|--batch-sizes|--max-regression|--trials|--storage|--target|--task) return ;;
        --device) COMPREPLY=($(compgen -W "auto cpu cuda mps" -- "$current")); return ;;
        --split) COMPREPLY=($(compgen -W "train validation test" -- "$current")); return ;;
        --explain|--method) COMPREPLY=($(compgen -W "grad_cam integrated_gradients occlusion permutation shapley" -- "$current")); return ;;
        --format) COMPREPLY=($(compgen -W "aot_inductor huggingface onnx openvino safetensors torch_export" -- "$current")); return ;;
    esac
    case "$command" in
        "") words="train evaluate predict explain export benchmark sweep list verify doctor recipe data runs" options="--version --help" ;;
        "train") words="bccd camvid digits digits_anomaly digits_boxes digits_clusters digits_masks digits_search faces_dlib fashion_mnist fashion_small isbi2012_membrane magnetic_tile magnetic_tile_anomaly magnetic_tile_segmentation omniglot udacity_track film_nights movielens_100k movielens_100k_ratings movielens_100k_sequential esol esol_characters made_molecules tox21 cmapss_fd001_series co2 etth1 etth1_192 etth1_336 etth1_720 japanese_vowels nab asterisk_prompts_en free_spoken_digits free_spoken_digits_speaker spoken_digits spoken_digits_text adult_census ames_housing cmapss_fd001 credit_data penguins penguins_clusters vehicle_claims_fraud aeslc docstrings multi30k self_dialogue self_dialogue_topics shakespeare_small sst2 sst2_minilm sst2_minilm_lora sst2_rnn sst2_transformer tiny_shakespeare tiny_shakespeare_large" options="--out --resume --set -s --device --threads --workers --devices --restarts --dry-run --allow-inexact --cache --sandbox --code --json --quiet -q --help" files=1 ;;
        "evaluate") words="" options="--split --data --slice --require --devices --code --json --quiet -q --help" files=1 ;;
        "predict") words="" options="--text --output -o --keep --draw --index --matches --tile --set -s --interactive --explain --threads --devices --code --json --quiet -q --help" files=1 ;;
        "explain") words="" options="--text --method --class --split --data --metric --most --set -s --output -o --code --json --quiet -q --help" files=1 ;;
        "export") words="" options="--format --out --tolerance --quantize --max-score-loss --min-agreement --min-speedup --code --json --quiet -q --help" files=1 ;;
        "benchmark") words="bccd camvid digits digits_anomaly digits_boxes digits_clusters digits_masks digits_search faces_dlib fashion_mnist fashion_small isbi2012_membrane magnetic_tile magnetic_tile_anomaly magnetic_tile_segmentation omniglot udacity_track film_nights movielens_100k movielens_100k_ratings movielens_100k_sequential esol esol_characters made_molecules tox21 cmapss_fd001_series co2 etth1 etth1_192 etth1_336 etth1_720 japanese_vowels nab asterisk_prompts_en free_spoken_digits free_spoken_digits_speaker spoken_digits spoken_digits_text adult_census ames_housing cmapss_fd001 credit_data penguins penguins_clusters vehicle_claims_fraud aeslc docstrings multi30k self_dialogue self_dialogue_topics shakespeare_small sst2 sst2_minilm sst2_minilm_lora sst2_rnn sst2_transformer tiny_shakespeare tiny_shakespeare_large" options="--artifacts --batch-sizes --save --against --max-regression --set -s --threads --sandbox --code --json --quiet -q --help" files=1 ;;
        "sweep") words="bccd camvid digits digits_anomaly digits_boxes digits_clusters digits_masks digits_search faces_dlib fashion_mnist fashion_small isbi2012_membrane magnetic_tile magnetic_tile_anomaly magnetic_tile_segmentation omniglot udacity_track film_nights movielens_100k movielens_100k_ratings movielens_100k_sequential esol esol_characters made_molecules tox21 cmapss_fd001_series co2 etth1 etth1_192 etth1_336 etth1_720 japanese_vowels nab asterisk_prompts_en free_spoken_digits free_spoken_digits_speaker spoken_digits spoken_digits_text adult_census ames_housing cmapss_fd001 credit_data penguins penguins_clusters vehicle_claims_fraud aeslc docstrings multi30k self_dialogue self_dialogue_topics shakespeare_small sst2 sst2_minilm sst2_minilm_lora sst2_rnn sst2_transformer tiny_shakespeare tiny_shakespeare_large" options="--trials --out --storage --set -s --code --json --quiet -q --help" files=1 ;;
        "list") words="sources fields augment models tasks metrics baselines exporters explainers recipes" options="--code --json --help" ;;
        "verify") words="" options="--code --json --quiet -q --help" files=1 ;;
        "doctor") words="" options="--deep --json --help" ;;
        "recipe") words="check show diff schema new copy" options="--help" ;;
        "recipe check") words="bccd camvid digits digits_anomaly digits_boxes digits_clusters digits_masks digits_search faces_dlib fashion_mnist fashion_small isbi2012_membrane magnetic_tile magnetic_tile_anomaly magnetic_tile_segmentation omniglot udacity_track film_nights movielens_100k movielens_100k_ratings movielens_100k_sequential esol esol_characters made_molecules tox21 cmapss_fd001_series co2 etth1 etth1_192 etth1_336 etth1_720 japanese_vowels nab asterisk_prompts_en free_spoken_digits free_spoken_digits_speaker spoken_digits spoken_digits_text adult_census ames_housing cmapss_fd001 credit_data penguins penguins_clusters vehicle_claims_fraud aeslc docstrings multi30k self_dialogue self_dialogue_topics shakespeare_small sst2 sst2_minilm sst2_minilm_lora sst2_rnn sst2_transformer tiny_shakespeare tiny_shakespeare_large" options="--set -s --sandbox --code --json --help" files=1 ;;
        "recipe show") words="bccd camvid digits digits_anomaly digits_boxes digits_clusters digits_masks digits_search faces_dlib fashion_mnist fashion_small isbi2012_membrane magnetic_tile magnetic_tile_anomaly magnetic_tile_segmentation omniglot udacity_track film_nights movielens_100k movielens_100k_ratings movielens_100k_sequential esol esol_characters made_molecules tox21 cmapss_fd001_series co2 etth1 etth1_192 etth1_336 etth1_720 japanese_vowels nab asterisk_prompts_en free_spoken_digits free_spoken_digits_speaker spoken_digits spoken_digits_text adult_census ames_housing cmapss_fd001 credit_data penguins penguins_clusters vehicle_claims_fraud aeslc docstrings multi30k self_dialogue self_dialogue_topics shakespeare_small sst2 sst2_minilm sst2_minilm_lora sst2_rnn sst2_transformer tiny_shakespeare tiny_shakespeare_large" options="--set -s --resolved --sandbox --code --json --help" files=1 ;;
        "recipe diff") words="bccd camvid digits digits_anomaly digits_boxes digits_clusters digits_masks digits_search faces_dlib fashion_mnist fashion_small isbi2012_membrane magnetic_tile magnetic_tile_anomaly magnetic_tile_segmentation omniglot udacity_track film_nights movielens_100k movielens_100k_ratings movielens_100k_sequential esol esol_characters made_molecules tox21 cmapss_fd001_series co2 etth1 etth1_192 etth1_336 etth1_720 japanese_vowels nab asterisk_prompts_en free_spoken_digits free_spoken_digits_speaker spoken_digits spoken_digits_text adult_census ames_housing cmapss_fd001 credit_data penguins penguins_clusters vehicle_claims_fraud aeslc docstrings multi30k self_dialogue self_dialogue_topics shakespeare_small sst2 sst2_minilm sst2_minilm_lora sst2_rnn sst2_transformer tiny_shakespeare tiny_shakespeare_large" options="--code --json --help" files=1 ;;
        "recipe schema") words="" options="--help" ;;
        "recipe new") words="" options="--target --task --out -o --quiet -q --help" files=1 ;;
        "recipe copy") words="bccd camvid digits digits_anomaly digits_boxes digits_clusters digits_masks digits_search faces_dlib fashion_mnist fashion_small isbi2012_membrane magnetic_tile magnetic_tile_anomaly magnetic_tile_segmentation omniglot udacity_track film_nights movielens_100k movielens_100k_ratings movielens_100k_sequential esol esol_characters made_molecules tox21 cmapss_fd001_series co2 etth1 etth1_192 etth1_336 etth1_720 japanese_vowels nab asterisk_prompts_en free_spoken_digits free_spoken_digits_speaker spoken_digits spoken_digits_text adult_census ames_housing cmapss_fd001 credit_data penguins penguins_clusters vehicle_claims_fraud aeslc docstrings multi30k self_dialogue self_dialogue_topics shakespeare_small sst2 sst2_minilm sst2_minilm_lora sst2_rnn sst2_transformer tiny_shakespeare tiny_shakespeare_large" options="--help" ;;
        "data") words="check" options="--help" ;;
        "data check") words="" options="--set -s --sandbox --code --json --quiet -q --help" files=1 ;;
        "runs") words="list compare" options="--help" ;;
        "runs list") words="" options="--json --help" files=1 ;;
        "runs compare") words="" options="--split --code --json --help" files=1 ;;
        *) return ;;
    esac
    if [[ $current == -* ]]; then
        words="$options"
        files=""
    fi
    local IFS=$'\n'
    COMPREPLY=($(IFS=$' \t\n' compgen -W "$words" -- "$current"))
    if [[ -n $files ]]; then
        compopt -o filenames 2>/dev/null
        COMPREPLY+=($(compgen -f -- "$current"))
    fi
}
complete -F _dlw dlw
