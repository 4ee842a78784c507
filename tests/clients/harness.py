"""The loop of a client's process: a call per line comes in, what came of it goes out."""

import contextlib
import importlib
import json
import sys
import traceback
import warnings


def answer(request):
    """Call what the request names."""
    module, _, function = request["name"].rpartition(".")
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            called = getattr(importlib.import_module(module), function)
            told = {"value": called(**request["arguments"])}
        except Exception as error:
            traceback.print_exc()
            told = {"error": [type(error).__name__, str(error)]}
    return dict(told, warnings=[str(one.message) for one in caught])


def main():
    """Answer until nobody asks any more."""
    out = sys.stdout
    with contextlib.redirect_stdout(sys.stderr):  # what a client prints must not look like an answer
        for line in sys.stdin:
            out.write(json.dumps(answer(json.loads(line))) + "\n")
            out.flush()


if __name__ == "__main__":
    main()
