package controlplane

import (
	"os/exec"
	"path/filepath"
	"strings"
)

// Binaries are the absolute paths of the programs.
type Binaries struct {
	Etcd, APIServer, Kubectl string
}

// MissingError says which programs were not found.
type MissingError struct {
	Names    []string // such as "kube-apiserver"
	Searched []string // the folders looked into, before PATH
	Hint     string   // what to do about it
}

func (e *MissingError) Error() string {
	places := append(append([]string{}, e.Searched...), "PATH")
	return "no " + strings.Join(e.Names, ", no ") + " in " + strings.Join(places, ", ")
}

// BinaryDirs returns the folders that usually hold the programs: the one named
// by KUBEBUILDER_ASSETS, as for other Kubernetes tools, and "k8s" beside
// executable, the path of eksauth itself.
func BinaryDirs(getenv func(string) string, executable string) []string {
	var dirs []string
	if assets := getenv("KUBEBUILDER_ASSETS"); assets != "" {
		dirs = append(dirs, assets)
	}
	return append(dirs, filepath.Join(filepath.Dir(executable), "k8s"))
}

// FindBinaries looks for each program in dirs, in that order, and then on PATH.
// The error is a *MissingError that names all that are missing.
func FindBinaries(dirs ...string) (Binaries, error) {
	var found Binaries
	missing := &MissingError{
		Searched: dirs,
		Hint:     "`make controlplane` builds them into bin/k8s; or set KUBEBUILDER_ASSETS to a folder that has them",
	}
	for _, program := range []struct {
		name string
		path *string
	}{
		{"etcd", &found.Etcd},
		{"kube-apiserver", &found.APIServer},
		{"kubectl", &found.Kubectl},
	} {
		if *program.path = find(program.name, dirs); *program.path == "" {
			missing.Names = append(missing.Names, program.name)
		}
	}
	if len(missing.Names) > 0 {
		return Binaries{}, missing
	}
	return found, nil
}

func find(name string, dirs []string) string {
	candidates := make([]string, 0, len(dirs)+1)
	for _, dir := range dirs {
		// Absolute, because LookPath refuses what is found in the working folder.
		if abs, err := filepath.Abs(dir); err == nil && dir != "" {
			candidates = append(candidates, filepath.Join(abs, name))
		}
	}
	for _, candidate := range append(candidates, name) {
		if path, err := exec.LookPath(candidate); err == nil {
			if abs, err := filepath.Abs(path); err == nil {
				return abs
			}
		}
	}
	return ""
}
