"""A query's vectors by numpy are those of the tower that was trained."""

import numpy as np
from safetensors.torch import load_file

from colvision.encoders.mini.encoder import QUERY_TOWER, SHIPPED
from colvision.encoders.mini.query_tower import QueryTower
from colvision.encoders.mini.training import model

WORDS = ("pump", "4711", "a", "überdruckventil", "x" * 60, "1234567a", "e-11")


def test_words_have_the_vectors_of_the_trained_tower_alone_and_together():
    tensors = load_file(SHIPPED / QUERY_TOWER)
    trained = model.QueryTower().requires_grad_(False)
    trained.load_state_dict({name: tensor.float() for name, tensor in tensors.items()})
    tower = QueryTower({name: tensor.numpy() for name, tensor in tensors.items()})
    found = tower.encode(WORDS)
    np.testing.assert_allclose(found, trained(WORDS).numpy(), atol=1e-5)
    np.testing.assert_allclose(np.linalg.norm(found, axis=1), 1, atol=1e-6)
    np.testing.assert_allclose(np.concatenate([tower.encode([word]) for word in WORDS]), found, atol=1e-6)
