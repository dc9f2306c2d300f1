"""A Prefect server on loopback, one run in it, and its address until interrupted.

`python -m flows.ui -- --source …`: what follows the dashes are options of `oodinv augment`.
"""

import argparse
import os
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request

from flows.environment import quiet_and_local

_START_S = 120


def main() -> int:
    """Start the server, run `oodinv augment` against it, wait for Ctrl-C."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--port", type=int, default=4200)
    parser.add_argument("augment", nargs="+", help="options of `oodinv augment`")
    args = parser.parse_args()
    quiet_and_local()
    # A terminated runner takes its server along, as an interrupted one does.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    address = f"http://127.0.0.1:{args.port}"
    command = [sys.executable, "-m", "prefect", "server", "start", "--host", "127.0.0.1", "--port", str(args.port)]
    # The page asks this address; its default is port 4200 whatever port the server has.
    settings = os.environ | {"PREFECT_SERVER_UI_API_URL": f"{address}/api"}
    server = subprocess.Popen(command, stdout=subprocess.DEVNULL, env=settings)  # noqa: S603 (our own arguments)
    try:
        _wait(server, f"{address}/api/health")
        print(f"Prefect UI: {address} (v2: {address}/v2/)", flush=True)
        run = [sys.executable, "-m", "flows.cli", "augment", *args.augment]
        code = subprocess.run(run, env=os.environ | {"PREFECT_API_URL": f"{address}/api"}).returncode  # noqa: S603
        print(f"the run ended with {code}; the UI stays open at {address} until Ctrl-C", flush=True)
        server.wait()
        return code
    except KeyboardInterrupt:
        return 0
    finally:
        server.terminate()
        try:
            server.wait(5)
        except subprocess.TimeoutExpired:
            server.kill()


def _wait(server: "subprocess.Popen[bytes]", url: str) -> None:
    end = time.monotonic() + _START_S
    while time.monotonic() < end:
        if server.poll() is not None:
            raise SystemExit(f"the Prefect server ended with {server.returncode}: is the port taken? Try PORT=4300")
        try:
            with urllib.request.urlopen(url, timeout=2):  # noqa: S310 (our own loopback address)
                return
        except (urllib.error.URLError, OSError):
            time.sleep(0.5)
    raise SystemExit(f"the Prefect server did not answer within {_START_S} s")


if __name__ == "__main__":
    sys.exit(main())
