"""Behaviours that need several connections, a scripted upstream or a signal. Every function test_* of a file here is one."""
import importlib
import pkgutil


def all_of():
    """(name, function) of each."""
    modules = [importlib.import_module(f"{__name__}.{found.name}") for found in pkgutil.iter_modules(__path__)]
    return sorted((name[5:], fn) for module in modules for name, fn in vars(module).items() if name.startswith("test_"))
