package atomicfile

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
)

// Write makes data the content of the file at path, with mode perm whatever the
// umask and whatever the mode of the file it replaces. The folder must exist.
// When Write returns nil, data is on the disk.
func Write(path string, data []byte, perm fs.FileMode) error {
	dir, base := filepath.Split(path)
	if dir == "" {
		dir = "."
	}
	tmp, err := os.CreateTemp(dir, "."+base+".*") // mode 0600: never readable by others, not even for a moment
	if err != nil {
		return err
	}
	defer os.Remove(tmp.Name()) // it is gone already when all went well

	_, err = tmp.Write(data)
	if err := errors.Join(err, tmp.Chmod(perm), tmp.Sync(), tmp.Close()); err != nil {
		return err
	}
	if err := os.Rename(tmp.Name(), path); err != nil {
		return err
	}
	syncDir(dir)
	return nil
}

// syncDir makes the new name last. Not every system can sync a folder, and
// those that cannot order their renames themselves, so it is best effort.
func syncDir(dir string) {
	d, err := os.Open(dir)
	if err != nil {
		return
	}
	d.Sync()
	d.Close()
}
