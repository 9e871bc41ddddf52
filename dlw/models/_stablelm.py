"""A gpt as the StableLM of the transformers library: its config.json and its weights.

That architecture (Bellagente et al. 2024, arXiv:2402.17834) has the same layers: rotary positions, queries and keys
normalised head by head, gated hidden units. What differs is folded into weights: the norm behind the embedding into the
vectors that go in, and relu(x) * x is a gate that equals what it gates. Tokens lose the id 0, which is fill.
Shape legend: D width, H hidden.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from dlw.models._attention import ROPE_BASE

if TYPE_CHECKING:
    from dlw.models._gpt import GPT


def config_of(network: GPT) -> dict[str, Any]:
    """Return the content of config.json; an end begins a text, too."""
    first: Any = network.layers[0]
    return {
        "architectures": ["StableLmForCausalLM"],
        "model_type": "stablelm",
        "vocab_size": network.token_VD.shape[0] - 1,
        "hidden_size": network.token_VD.shape[1],
        "intermediate_size": first.mlp.fall.in_features,
        "num_hidden_layers": len(network.layers),
        "num_attention_heads": network.heads,
        "num_key_value_heads": network.heads,
        "hidden_act": "silu" if first.mlp.is_gated else "relu",
        "max_position_embeddings": network.window,
        "layer_norm_eps": network.norm.eps,
        "rope_theta": ROPE_BASE,
        "partial_rotary_factor": 1.0,
        "qk_layernorm": True,
        "use_qkv_bias": False,
        "use_parallel_residual": False,
        "tie_word_embeddings": False,
        "bos_token_id": network.end - 1,
        "eos_token_id": network.end - 1,
        "dtype": "float32",
    }


def weights_of(network: GPT) -> dict[str, Tensor]:
    """Return the weights, float32, by their names in that library."""
    zero_D = torch.zeros_like(network.norm.weight)
    found = {
        "model.embed_tokens.weight": network.embedded_norm(network.token_VD)[1:],
        "lm_head.weight": network.token_VD[1:],
        "model.norm.weight": network.norm.weight,
        "model.norm.bias": zero_D,
    }
    layer: Any
    for place, layer in enumerate(network.layers):
        attention, mlp = layer.attention, layer.mlp
        key_DD, value_DD = attention.look.weight.chunk(2)
        gate_HD, up_HD = mlp.rise.weight.chunk(2) if mlp.is_gated else (mlp.rise.weight, mlp.rise.weight)
        parts = {
            "input_layernorm.weight": layer.attention_norm.weight,
            "input_layernorm.bias": zero_D,
            "post_attention_layernorm.weight": layer.mlp_norm.weight,
            "post_attention_layernorm.bias": zero_D,
            "self_attn.q_proj.weight": attention.read.weight,
            "self_attn.k_proj.weight": key_DD,
            "self_attn.v_proj.weight": value_DD,
            "self_attn.o_proj.weight": attention.mix.weight,
            "mlp.gate_proj.weight": gate_HD,
            "mlp.up_proj.weight": up_HD,
            "mlp.down_proj.weight": mlp.fall.weight,
        }
        for head in range(network.heads):
            parts[f"self_attn.q_layernorm.norms.{head}.weight"] = attention.query_norm.weight
            parts[f"self_attn.k_layernorm.norms.{head}.weight"] = attention.key_norm.weight
        found |= {f"model.layers.{place}.{name}": tensor for name, tensor in parts.items()}
    return {name: tensor.detach().float().contiguous().clone() for name, tensor in found.items()}
