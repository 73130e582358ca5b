"""The settings of processes that relay and consume: the broker comes from KCK_TEST_KAFKA."""

import json
import os

from tests.settings import *  # noqa: F403

KCK_PUBLISH = {"KAFKA": json.loads(os.environ["KCK_TEST_KAFKA"]), "RETENTION": 3600}
