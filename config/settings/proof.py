"""Production as it is, for the proofs on one machine. Every difference stands in DIFFERENCES; a test compares the two.

What only comes from the environment stays production's own: keys, clocks, `SECURE_SSL_REDIRECT=false`.
"""

from config.settings.production import *  # noqa: F403
from config.settings.production import SITE_URL as PUBLIC

DIFFERENCES = {"SITE_URL"}  # the pretend Alipay brings its notices in clear, to an address of this machine
SITE_URL = PUBLIC.replace("https://127.0.0.1", "http://127.0.0.1")
