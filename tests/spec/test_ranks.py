"""A process's place among those that train together, from what launchers say."""

from __future__ import annotations

import pytest

from grokcore.errors import InputError
from grokcore.spec.ranks import Rank, rank_of_environment


@pytest.mark.parametrize(
    ("environment", "expected"),
    [
        ({}, Rank()),
        ({"RANK": "0", "WORLD_SIZE": "1", "LOCAL_RANK": "0"}, Rank()),
        ({"RANK": "5", "WORLD_SIZE": "8", "LOCAL_RANK": "1"}, Rank(5, 8, 1)),
        (
            {"OMPI_COMM_WORLD_RANK": "2", "OMPI_COMM_WORLD_SIZE": "4", "OMPI_COMM_WORLD_LOCAL_RANK": "0"},
            Rank(2, 4, 0),
        ),
        ({"PMI_RANK": "1", "PMI_SIZE": "2"}, Rank(1, 2, 1)),
        ({"PMI_RANK": "3", "PMI_SIZE": "4", "MPI_LOCALRANKID": "1"}, Rank(3, 4, 1)),
    ],
)
def test_torchrun_open_mpi_and_mpich_are_understood(environment: dict[str, str], expected: Rank) -> None:
    assert rank_of_environment(environment) == expected


def test_torchruns_word_counts_where_it_was_started_by_mpirun() -> None:
    both = {"OMPI_COMM_WORLD_RANK": "1", "OMPI_COMM_WORLD_SIZE": "2", "RANK": "3", "WORLD_SIZE": "4", "LOCAL_RANK": "1"}
    assert rank_of_environment(both) == Rank(3, 4, 1)


@pytest.mark.parametrize(
    ("environment", "named"),
    [
        ({"WORLD_SIZE": "two", "RANK": "0"}, "WORLD_SIZE"),
        ({"WORLD_SIZE": "0", "RANK": "0"}, "WORLD_SIZE"),
        ({"WORLD_SIZE": "2"}, "RANK"),
        ({"WORLD_SIZE": "2", "RANK": "2", "LOCAL_RANK": "0"}, "RANK=2"),
    ],
)
def test_an_environment_that_contradicts_itself_is_refused(environment: dict[str, str], named: str) -> None:
    with pytest.raises(InputError, match=named):
        rank_of_environment(environment)
