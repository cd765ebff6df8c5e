import subprocess
import sys
from importlib.metadata import version


def test_plugin_loads_without_torch():
    """Every pytest run in an environment with hepreco loads it."""
    code = (
        "import sys, hepreco.testing.pytest_plugin; sys.exit(bool({'torch', 'awkward', 'coffea'} & set(sys.modules)))"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_header_names_the_version(request):
    headers = request.config.hook.pytest_report_header(config=request.config, start_path=None)
    assert f"hepreco: {version('hepreco')}" in headers
