"""Flower's login, from the secret's file: a variable would be divided at each comma, an argument be seen by all."""

from pathlib import Path

basic_auth = ["admin:" + Path("/run/pipeline/flower/flower_password").read_text("utf-8")]
