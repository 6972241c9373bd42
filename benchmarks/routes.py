"""The ways from one float network to a file for the device: accuracy, size and speed on the same photos.

    python benchmarks/routes.py --run runs/waste --data DATA [--representative 64] [--photos 1000]

Top-1 is on the recipe's validation photos; milliseconds are the median of `invoke()` alone, one thread, the files
taking turns on each photo. `agrees` is how often the float network gives the same label.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
# This folder's training.py would be found before the package of that name.
sys.path[0] = str(Path(__file__).resolve().parents[1])

import keras  # noqa: E402
import numpy as np  # noqa: E402

from converter.convert import representative_views  # noqa: E402
from converter.quantize import quantize_dynamic, quantize_static, read_operators  # noqa: E402
from edge.errors import SorterError  # noqa: E402
from training.evaluation.evaluate import answers, prepare  # noqa: E402
from training.network.frozen_backbone import compile_float  # noqa: E402
from training.rendering.renderer import read_sets  # noqa: E402
from training.run_folder import Run  # noqa: E402


def by_tensorflow(network: keras.Model, views: list[np.ndarray]) -> bytes:
    """Full int8 by TensorFlow's own converter, which is deprecated."""
    import tensorflow as tf

    fixed = keras.Input(batch_shape=(1, *network.inputs[0].shape[1:]), name="image")
    with tempfile.TemporaryDirectory() as folder:
        keras.Model(fixed, network(fixed, training=False)).export(folder, format="tf_saved_model", verbose=False)
        converter = tf.lite.TFLiteConverter.from_saved_model(folder)
        converter.optimizations = [tf.lite.Optimize.DEFAULT]
        converter.representative_dataset = lambda: ([(view.astype(np.float32) - 127.0)[None]] for view in views)
        converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]
        converter.inference_input_type = converter.inference_output_type = tf.int8
        content: bytes = converter.convert()
    return content


class File:
    """A float or int8 file in the runtime, with what it answered and how long it took."""

    def __init__(self, content: bytes) -> None:
        from ai_edge_litert.interpreter import Interpreter

        self.content = content
        self._interpreter: Any = Interpreter(model_content=content, num_threads=1)
        self._interpreter.allocate_tensors()
        (self.input,), (self._output,) = self._interpreter.get_input_details(), self._interpreter.get_output_details()
        self.found: list[int] = []
        self.took: list[float] = []

    def show(self, view: np.ndarray) -> None:
        pixels = (view.astype(np.float32) - 127.0)[None]
        if self.input["dtype"] == np.int8:
            scale, zero_point = self.input["quantization"]
            pixels = np.clip(np.round(pixels / scale) + zero_point, -128, 127).astype(np.int8)
        self._interpreter.set_tensor(self.input["index"], pixels)
        started = time.perf_counter()
        self._interpreter.invoke()
        self.took.append(1000 * (time.perf_counter() - started))
        self.found.append(int(self._interpreter.get_tensor(self._output["index"]).argmax()))


def main() -> None:
    """Print one line a route."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--run", type=Path, required=True)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--representative", type=int, default=64)
    parser.add_argument("--photos", type=int, default=1000)
    options = parser.parse_args()
    run = Run(options.run)
    recipe = run.recipe()
    network = run.load_network()
    chosen = representative_views(recipe, options.data, run, options.representative)
    exact = compile_float(network)
    files = {
        "float32": File(exact),
        "litert-quantizer, static int8": File(quantize_static(exact, chosen)),
        "TFLiteConverter, full int8": File(by_tensorflow(network, chosen)),
        "litert-quantizer, dynamic-range int8": File(quantize_dynamic(exact)),
    }
    photos = read_sets(recipe.validation, options.data, recipe).photos[: options.photos]
    truth = answers(photos, recipe.labels, {}).labels
    for view in prepare(photos, recipe.network.geometry):
        for file in files.values():
            file.show(view)
    reference = np.array(files["float32"].found)
    print(f"{len(photos)} validation photos, {len(chosen)} representative views")
    for name, file in files.items():
        found = np.array(file.found)
        print(
            f"{name:38} top-1 {100 * np.mean(found == truth):5.1f} %  agrees {100 * np.mean(found == reference):5.1f} %  "
            f"{len(file.content) / 1e6:5.2f} MB  {np.median(file.took):5.1f} ms  input scale "
            f"{float(file.input['quantization'][0]):.3f}  outside XNNPACK: {len(read_operators(file.content).left_out)}"
        )


if __name__ == "__main__":
    try:
        main()
    except SorterError as error:
        print(f"routes.py: {error}", file=sys.stderr)
        sys.exit(error.exit_code)
