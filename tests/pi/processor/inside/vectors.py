"""Runs the shipped model's golden vectors and photos on this processor, and prints how far they are from their maker's."""

import json
import sys
from dataclasses import asdict

from edge.bundle.archive import open_bundle
from edge.clock import SystemClock
from edge.inference.classifier import shipped_bundle_path
from edge.inference.golden import run_golden
from edge.inference.interpreter import open_interpreter

bundle = open_bundle(shipped_bundle_path())
interpreter = open_interpreter(bundle, int(sys.argv[2]), sys.argv[1])
result = asdict(run_golden(bundle, interpreter, SystemClock().now))
sys.stdout.write(json.dumps(result | {"tolerance": bundle.manifest.golden.tolerance_other_runtime}))
