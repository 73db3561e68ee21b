package federation

import "strings"

// part is a named part of a subject.
type part struct{ name, value string }

// form is a subject that was read in the form of a platform.
type form struct {
	platform string
	parts    []part
}

// The names of the platforms whose subjects are read.
const (
	github      = "GitHub"
	kubernetes  = "Kubernetes"
	gitlab      = "GitLab"
	terraform   = "HCP Terraform"
	azureDevOps = "Azure DevOps"
	spiffe      = "SPIFFE"
)

const serviceAccount = "system:serviceaccount:"

// readForm reads a subject in the form of the platform that writes such subjects. The platform is empty if none does.
func readForm(subject string) form {
	switch {
	case strings.HasPrefix(subject, serviceAccount):
		rest := strings.TrimPrefix(subject, serviceAccount)
		namespace, name, _ := strings.Cut(rest, ":")
		return form{kubernetes, []part{{"namespace", namespace}, {"service account", name}}}
	case strings.HasPrefix(subject, "repo:"), strings.HasPrefix(subject, "repository_owner:"):
		return readGitHub(subject)
	case strings.HasPrefix(subject, "project_path:"):
		return readLabelled(gitlab, subject, "project_path", "ref_type", "ref")
	case strings.HasPrefix(subject, "organization:"):
		return readLabelled(terraform, subject, "organization", "project", "workspace", "run_phase")
	case strings.HasPrefix(subject, "sc://"):
		names := strings.SplitN(strings.TrimPrefix(subject, "sc://"), "/", 3)
		f := form{platform: azureDevOps}
		for i, name := range names {
			f.parts = append(f.parts, part{[]string{"organization", "project", "service connection"}[i], name})
		}
		return f
	case strings.HasPrefix(subject, "spiffe://"):
		domain, path, _ := strings.Cut(strings.TrimPrefix(subject, "spiffe://"), "/")
		return form{spiffe, []part{{"trust domain", domain}, {"path", "/" + path}}}
	}
	return form{}
}

// readLabelled reads a subject of the form label:value:label:value. Its labels are known, stand in this order, and some
// may be left out. A value may have colons.
func readLabelled(platform, subject string, labels ...string) form {
	f := form{platform: platform}
	rest := ":" + subject
	for i, label := range labels {
		after, found := strings.CutPrefix(rest, ":"+label+":")
		if !found {
			continue
		}
		end := len(after)
		for _, next := range labels[i+1:] {
			if at := strings.Index(after, ":"+next+":"); at >= 0 && at < end {
				end = at
			}
		}
		f.parts, rest = append(f.parts, part{label, after[:end]}), after[end:]
	}
	return f
}

// value returns the value of a part, and whether the subject has it.
func (f form) value(name string) (string, bool) {
	for _, p := range f.parts {
		if p.name == name {
			return p.value, true
		}
	}
	return "", false
}

// common returns how many of the parts are the same in two subjects of one platform, in percent.
func (f form) common(other form) int {
	if f.platform == "" || f.platform != other.platform {
		return 0
	}
	same := 0
	for _, p := range f.parts {
		if value, has := other.value(p.name); has && value == p.value {
			same++
		}
	}
	return equal * same / max(len(f.parts), len(other.parts), 1)
}
