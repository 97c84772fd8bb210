"""`make protocol-proof`: the signing proven against the openssl program, as a table that is kept."""

import shutil
import subprocess
import sys

from config.local.places import ROOT

FIGURES = ROOT / "docs" / "figures" / "protocol-proof.txt"


def protocol_proof(words: list[str]) -> int:
    """Run the proof (further words go to it; --help lists them) and keep its table where it was the whole one."""
    if not shutil.which("openssl"):
        print("protocol-proof: the openssl program is missing here. Run as root:  apt-get install --yes openssl")
        print("protocol-proof: 0 passed, 1 failed")
        return 1
    command = [sys.executable, "-m", "tests.payments.alipay.proving", *words]
    done = subprocess.run(command, cwd=ROOT, check=False, stdout=subprocess.PIPE, text=True)
    print(done.stdout, end="")
    if not words and done.returncode == 0:
        FIGURES.write_text(done.stdout)
    return done.returncode
