"""tools/launcher/rundir and cleanup: what a killed run left is found and removed, however early or late it was killed."""
import contextlib
import io
import os
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path

TREE = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(TREE / "tools/launcher"))

import cleanup  # noqa: E402
import rundir  # noqa: E402


class Directories(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.TemporaryDirectory(prefix="spillway-rundir-test-")
        self.registry = Path(self.folder.name) / "run"
        self.registry.mkdir()
        self.usual, rundir.REGISTRY = rundir.REGISTRY, self.registry

    def tearDown(self):
        rundir.REGISTRY = self.usual
        self.folder.cleanup()

    def killed(self, chosen=None):
        """A run whose launcher is dead: nobody holds its lock."""
        run = rundir.RunDirectory.create(chosen)
        (run.path / "logs").mkdir()
        (run.path / "logs/one").write_text("x")
        (run.path / "socket").symlink_to("/dev/null")
        os.close(run.lock)
        return run

    def clean(self):
        with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
            cleanup.clean_dead_runs()

    def left(self):
        return sorted(path.name for path in self.registry.iterdir())

    def test_a_killed_run_goes_whatever_is_missing_in_its_folder(self):
        for missing in ([], ["lock"], ["run.json"], ["lock", "run.json"], ["lock", "run.json", "socket"]):
            with self.subTest(missing=missing):
                run = self.killed()
                for name in missing:
                    (run.path / name).unlink()
                self.clean()
                self.assertEqual(self.left(), [])

    def test_a_half_written_identity_is_no_obstacle(self):
        run = self.killed()
        (run.path / "run.json").write_text('{"run_i')
        self.clean()
        self.assertEqual(self.left(), [])

    def test_processes_below_a_folder_without_identity_are_ended(self):
        run = self.killed()
        (run.path / "run.json").unlink()
        child = subprocess.Popen(["sleep", "600"], cwd=run.path, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                                 stderr=subprocess.DEVNULL, start_new_session=True)
        self.addCleanup(child.kill)
        self.clean()
        self.assertEqual(child.wait(10), -9)
        self.assertEqual(self.left(), [])

    def test_what_is_alive_stays(self):
        run = rundir.RunDirectory.create(None)
        self.clean()
        self.assertEqual(self.left(), [run.path.name])
        run.remove()
        self.assertEqual(self.left(), [])

    def test_a_chosen_folder_is_removed_by_its_identity_only(self):
        chosen = Path(self.folder.name) / "mine"
        self.killed(chosen)
        self.clean()
        self.assertFalse(chosen.exists())
        self.assertEqual(self.left(), [])
        again = self.killed(chosen)
        (again.path / "run.json").unlink()  # somebody cleaned up, and uses it for his own things
        self.clean()
        self.assertTrue((chosen / "logs/one").exists())

    def test_a_chosen_folder_in_which_a_run_was_killed_at_once_can_be_chosen_again(self):
        chosen = Path(self.folder.name) / "mine"
        chosen.mkdir()
        (chosen / "lock").touch()
        rundir.RunDirectory.create(chosen).remove()
        (chosen).mkdir()
        (chosen / "file").touch()
        with self.assertRaises(rundir.Failed):
            rundir.RunDirectory.create(chosen)

    def test_other_folders_are_left_alone(self):
        (self.registry / "spillway-something").mkdir()
        (self.registry / "other").mkdir()
        self.clean()
        self.assertEqual(self.left(), ["other", "spillway-something"])


if __name__ == "__main__":
    unittest.main()
