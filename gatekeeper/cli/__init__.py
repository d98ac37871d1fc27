"""The command line: the only package that prints or sets an exit code."""


def main() -> int:
    """Run the command that ``sys.argv`` asks for and return its exit code."""
    raise NotImplementedError
