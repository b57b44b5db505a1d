"""The tokenizer of a saved model: tokens between < and >, spaces between them or none."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from grokcore.errors import InputError
from grokcore.storage import clear_errors, read_json

TOKENIZER = "tokenizer.json"


def read_vocabulary(directory: Path) -> list[str]:
    """Return the tokens of a saved model, in the order of their ids.

    Raises:
        InputError: there is no tokenizer, or it is not one that `save_tokenizer` wrote.
    """
    if not (directory / TOKENIZER).exists():
        raise InputError(
            f"{directory} has no {TOKENIZER}: `grokcore runs model RUN --out FOLDER` writes the model of a run with one"
        )
    document = read_json(directory / TOKENIZER)
    try:
        ids = document["model"]["vocab"]
        return sorted(ids, key=lambda token: int(ids[token]))
    except (KeyError, TypeError, ValueError):
        raise InputError(f"{directory / TOKENIZER} is not a tokenizer of grokcore: save the model again") from None


def save_tokenizer(directory: Path, vocabulary: Sequence[str], eos: int) -> None:
    """Write tokenizer.json and tokenizer_config.json, which `AutoTokenizer.from_pretrained` reads.

    `<e_3> <attr_1>` and `<e_3><attr_1>` are the same two tokens; text outside of the vocabulary is refused
    when it is encoded. No padding token: there is none in the vocabulary.

    Args:
        vocabulary: the tokens; a token's id is its index.
        eos: id of the token that closes an answer.

    Raises:
        InputError: the directory cannot be written, or the disk is full.
    """
    from tokenizers import Regex, Tokenizer, models, pre_tokenizers
    from transformers import PreTrainedTokenizerFast

    tokenizer = Tokenizer(models.WordLevel({token: number for number, token in enumerate(vocabulary)}))
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(r"\s+(?=<)|(?<=>)\s+"), "removed"),  # a name may have spaces inside
            pre_tokenizers.Split(Regex(r"<[^<>]+>"), "isolated"),
        ]
    )
    with clear_errors("write", directory):
        PreTrainedTokenizerFast(
            tokenizer_object=tokenizer, eos_token=vocabulary[eos], clean_up_tokenization_spaces=False
        ).save_pretrained(directory)
