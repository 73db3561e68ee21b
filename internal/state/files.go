package state

import (
	"cmp"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// maxFiles bounds the files of a folder.
const maxFiles = 10_000

// ReadFiles reads a file, the files of a folder and of those below it that end in .yaml, .yml or .json, or the
// standard input (-).
func ReadFiles(path string, stdin io.Reader) ([]File, error) {
	if path == "-" {
		text, err := io.ReadAll(io.LimitReader(stdin, maxFile+1))
		if err != nil {
			return nil, fmt.Errorf("read the standard input: %w", err)
		}
		return []File{{"stdin", text}}, nil
	}
	info, err := os.Stat(path)
	if err != nil {
		return nil, fmt.Errorf("read the declared state: %w", err)
	}
	names := []string{path}
	if info.IsDir() {
		if names, err = filesBelow(path); err != nil {
			return nil, err
		}
	}
	files := make([]File, 0, len(names))
	for _, name := range names {
		text, err := readFile(name, info.IsDir())
		if err != nil {
			return nil, fmt.Errorf("read the declared state: %w", err)
		}
		files = append(files, File{name, text})
	}
	return files, nil
}

// readFile reads a file up to the limit, so that Load can refuse a larger one. In a folder it must be a regular file: a
// pipe would be waited for.
func readFile(name string, regular bool) ([]byte, error) {
	if info, err := os.Stat(name); err == nil && regular && !info.Mode().IsRegular() {
		return nil, fmt.Errorf("%s is not a regular file", name)
	}
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return io.ReadAll(io.LimitReader(f, maxFile+1))
}

// filesBelow returns the files of declarations in a folder, sorted. Hidden files and folders are left out.
func filesBelow(folder string) (names []string, err error) {
	err = filepath.WalkDir(folder, func(path string, entry fs.DirEntry, err error) error {
		switch hidden := strings.HasPrefix(entry.Name(), ".") && path != folder; {
		case err != nil:
			return err
		case hidden && entry.IsDir():
			return fs.SkipDir
		case entry.IsDir() || hidden || !slices.Contains([]string{".yaml", ".yml", ".json"}, filepath.Ext(path)):
			return nil
		}
		if names = append(names, path); len(names) > maxFiles {
			return fmt.Errorf("the folder has more than %d files", maxFiles)
		}
		return nil
	})
	slices.SortFunc(names, cmp.Compare[string])
	if err == nil && len(names) == 0 {
		err = fmt.Errorf("the folder %s has no file that ends in .yaml, .yml or .json", folder)
	}
	if err != nil {
		return nil, fmt.Errorf("read the declared state: %w", err)
	}
	return names, nil
}
