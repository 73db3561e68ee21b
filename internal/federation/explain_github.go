package federation

import "strings"

// The parts of GitHub's subjects.
const (
	owner, ownerID           = "owner", "owner's id"
	repository, repositoryID = "repository", "repository's id"
	contextPart              = "context" // ref, environment, pull_request or a claim that the repository has chosen
	contextValue             = "value"
)

// readGitHub reads a subject of GitHub Actions: repo:owner/repository:context:value. In the immutable form, which GitHub
// writes for repositories that were made, renamed or moved since July 2026, the names have ids:
// repo:owner@id/repository@id:….
func readGitHub(subject string) form {
	label, rest, _ := strings.Cut(subject, ":")
	names, rest, _ := strings.Cut(rest, ":")
	f := form{platform: github}
	if label == "repo" {
		o, r, _ := strings.Cut(names, "/")
		f.add(owner, ownerID, o)
		f.add(repository, repositoryID, r)
	} else {
		f.add(owner, ownerID, names)
	}
	kind, value, _ := strings.Cut(rest, ":")
	f.parts = append(f.parts, part{contextPart, kind}, part{contextValue, value})
	return f
}

// add adds a name, and its id if it has one.
func (f *form) add(name, id, value string) {
	plain, number, immutable := strings.Cut(value, "@")
	f.parts = append(f.parts, part{name, plain})
	if immutable {
		f.parts = append(f.parts, part{id, number})
	}
}

// The differences between two subjects of GitHub.
const (
	ImmutableSubject Difference = "ImmutableSubject" // one of them has the ids of owner and repository
	BranchForm       Difference = "BranchForm"       // the same branch or tag, written in another form
	ContextKind      Difference = "Context"          // a branch, a tag, an environment, a pull request
)

// differGitHub compares two subjects of GitHub, which differ. The difference is the one that matters most: that of
// another repository before that of another branch, and the form of the subject last.
func differGitHub(p, c form) (Difference, string) {
	var says []string
	var d Difference
	_, pid := p.value(repositoryID)
	_, cid := c.value(repositoryID)
	if pid != cid {
		d, says = ImmutableSubject, append(says, immutable(pid))
	}
	kind, context := differContext(p, c)
	if context != "" && (d == "" || kind != BranchForm) {
		d = kind
	}
	for _, name := range []string{owner, ownerID, repository, repositoryID} {
		if text := differPart(p, c, name); text != "" {
			d, says = Other, append(says, text)
		}
	}
	if context != "" {
		says = append(says, context)
	}
	return d, strings.Join(says, " ")
}

func immutable(token bool) string {
	if token {
		return "The token has GitHub's immutable subject (repo:owner@id/repository@id), and the credential has the old form without ids. GitHub writes the immutable form for repositories that were made, renamed or moved since July 2026."
	}
	return "The credential has GitHub's immutable subject (repo:owner@id/repository@id), and the token has the old form without ids."
}

// differContext compares what stands after the repository: the branch, the tag, the environment, or pull_request.
func differContext(p, c form) (Difference, string) {
	pk, _ := p.value(contextPart)
	ck, _ := c.value(contextPart)
	pv, _ := p.value(contextValue)
	cv, _ := c.value(contextValue)
	switch {
	case pk == ck && pv == cv:
		return "", ""
	case refName(pk, pv) == refName(ck, cv) && refName(pk, pv) != "" && (fullRef(pv) != fullRef(cv) || pk != ck):
		return BranchForm, "A branch is written ref:refs/heads/NAME and a tag ref:refs/tags/NAME."
	case pk != ck:
		return ContextKind, "The token is for " + contextWords(pk, pv) + ", and the credential is for " + contextWords(ck, cv) + "."
	case strings.HasPrefix(pv, "refs/tags/") != strings.HasPrefix(cv, "refs/tags/"):
		return ContextKind, "One is a tag and the other is a branch."
	}
	d, text := differ(pv, cv)
	if text == "" {
		text = "The token is for " + contextWords(pk, pv) + ", and the credential is for " + contextWords(ck, cv) + "."
	}
	return d, text
}

func fullRef(value string) bool { return strings.HasPrefix(value, "refs/") }

// refName returns the name of a branch or tag however the subject writes it, or empty if it is for something else.
func refName(kind, value string) string {
	switch {
	case kind == "ref":
		return strings.TrimPrefix(strings.TrimPrefix(value, "refs/heads/"), "refs/tags/")
	case kind == "branch", kind == "tag", kind == "heads":
		return value
	case strings.HasPrefix(kind, "refs/heads/"), strings.HasPrefix(kind, "refs/tags/"):
		return strings.TrimPrefix(strings.TrimPrefix(kind, "refs/heads/"), "refs/tags/")
	}
	return ""
}

// contextWords says for what a token is. GitHub puts the environment into the subject of each job that has one, in
// place of the branch.
func contextWords(kind, value string) string {
	switch {
	case kind == "pull_request":
		return "pull requests"
	case kind == "environment":
		return "the environment " + shown(value)
	case kind == "ref" && strings.HasPrefix(value, "refs/heads/"):
		return "the branch " + shown(strings.TrimPrefix(value, "refs/heads/"))
	case kind == "ref" && strings.HasPrefix(value, "refs/tags/"):
		return "the tag " + shown(strings.TrimPrefix(value, "refs/tags/"))
	case kind == "":
		return "nothing more than the repository"
	}
	return shown(strings.TrimSuffix(kind+":"+value, ":"))
}
