package state

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/google/uuid"

	"midas/internal/arm"
)

// function is a template function without effects.
type function func(args []any) (any, error)

// guidNamespace is the namespace of the template function guid.
var guidNamespace = uuid.MustParse("11fb06fb-712d-4ddd-98c7-e71bbd588830")

// functions are the template functions that depend on nothing but their arguments.
func functions() map[string]function {
	return map[string]function{
		"concat": concat, "format": format, "guid": func(a []any) (any, error) {
			s, err := joined(a)
			return uuid.NewSHA1(guidNamespace, []byte(s)).String(), err
		},
		"uniqueString": func(a []any) (any, error) {
			s, err := joined(a)
			return uniqueString(s), err
		},
		"toLower": ofText(arm.Fold), "trim": ofText(strings.TrimSpace),
		"string": func(a []any) (any, error) { return textOfValue(arg(a, 0)) },
		"int": func(a []any) (any, error) {
			s, err := textOfValue(arg(a, 0))
			if err == nil {
				_, err = strconv.ParseInt(s, 10, 64)
			}
			return json.Number(s), err
		},
		"bool":  func(a []any) (any, error) { return arm.SameName(fmt.Sprint(arg(a, 0)), "true"), nil },
		"true":  func([]any) (any, error) { return true, nil },
		"false": func([]any) (any, error) { return false, nil },
		"null":  func([]any) (any, error) { return nil, nil },
		"if": func(a []any) (any, error) {
			if arg(a, 0) == true {
				return arg(a, 1), nil
			}
			return arg(a, 2), nil
		},
		"equals": func(a []any) (any, error) { return equal(arg(a, 0), arg(a, 1)), nil },
		"not":    func(a []any) (any, error) { return arg(a, 0) != true, nil },
		"and":    func(a []any) (any, error) { return !slices.ContainsFunc(a, func(v any) bool { return v != true }), nil },
		"or":     func(a []any) (any, error) { return slices.Contains(a, any(true)), nil },
		"coalesce": func(a []any) (any, error) {
			for _, v := range a {
				if v != nil {
					return v, nil
				}
			}
			return nil, nil
		},
		"empty":        func(a []any) (any, error) { return length(arg(a, 0)) == 0, nil },
		"length":       func(a []any) (any, error) { return json.Number(strconv.Itoa(length(arg(a, 0)))), nil },
		"createArray":  func(a []any) (any, error) { return append([]any{}, a...), nil },
		"createObject": createObject, "union": union, "first": func(a []any) (any, error) { return access(arg(a, 0), 0) },
		"last":       func(a []any) (any, error) { return access(arg(a, 0), length(arg(a, 0))-1) },
		"split":      split,
		"join":       joinList,
		"replace":    ofTexts(3, func(s []string) any { return strings.ReplaceAll(s[0], s[1], s[2]) }),
		"startsWith": ofTexts(2, func(s []string) any { return strings.HasPrefix(arm.Fold(s[0]), arm.Fold(s[1])) }),
		"endsWith":   ofTexts(2, func(s []string) any { return strings.HasSuffix(arm.Fold(s[0]), arm.Fold(s[1])) }),
		"contains":   contains, "take": take, "substring": substring,
		"tenantResourceId": func(a []any) (any, error) { return typedID("", a) },
		"extensionResourceId": func(a []any) (any, error) {
			base, _ := arg(a, 0).(string)
			return typedID(base, a[min(1, len(a)):])
		},
	}
}

func arg(args []any, i int) any {
	if i < len(args) {
		return args[i]
	}
	return nil
}

func textOfValue(v any) (string, error) {
	switch v := v.(type) {
	case string:
		return v, nil
	case json.Number:
		return v.String(), nil
	case bool:
		return strconv.FormatBool(v), nil
	case *later:
		return "", errors.New("the value of reference(…) is known only when the object exists, so no text can be made of it")
	}
	text, err := json.Marshal(v)
	return string(text), err
}

func textsOf(args []any) (out []string, err error) {
	for _, a := range args {
		s, err := textOfValue(a)
		if err != nil {
			return nil, err
		}
		out = append(out, s)
	}
	return out, nil
}

func joined(args []any) (string, error) {
	texts, err := textsOf(args)
	return strings.Join(texts, "-"), err
}

func ofText(f func(string) string) function {
	return func(args []any) (any, error) {
		s, err := textOfValue(arg(args, 0))
		return f(s), err
	}
}

func ofTexts(n int, f func([]string) any) function {
	return func(args []any) (any, error) {
		texts, err := textsOf(args)
		if err == nil && len(texts) != n {
			err = fmt.Errorf("%d arguments are needed, not %d", n, len(texts))
		}
		if err != nil {
			return nil, err
		}
		return f(texts), nil
	}
}

func concat(args []any) (any, error) {
	if _, lists := arg(args, 0).([]any); !lists {
		texts, err := textsOf(args)
		return strings.Join(texts, ""), err
	}
	all := []any{}
	for _, a := range args {
		l, _ := a.([]any)
		all = append(all, l...)
	}
	return all, nil
}

// format replaces {0}, {1} and so on.
func format(args []any) (any, error) {
	texts, err := textsOf(args)
	if err != nil || len(texts) == 0 {
		return "", err
	}
	pairs := []string{"{{", "{", "}}", "}"}
	for i, s := range texts[1:] {
		pairs = append(pairs, "{"+strconv.Itoa(i)+"}", s)
	}
	return strings.NewReplacer(pairs...).Replace(texts[0]), nil
}

func equal(a, b any) bool {
	x, errX := json.Marshal(a)
	y, errY := json.Marshal(b)
	return errX == nil && errY == nil && string(x) == string(y)
}

func length(v any) int {
	switch v := v.(type) {
	case string:
		return len([]rune(v))
	case []any:
		return len(v)
	case map[string]any:
		return len(v)
	}
	return 0
}

func createObject(args []any) (any, error) {
	out := map[string]any{}
	for i := 0; i+1 < len(args); i += 2 {
		out[fmt.Sprint(args[i])] = args[i+1]
	}
	return out, nil
}

func union(args []any) (any, error) {
	if _, objects := arg(args, 0).(map[string]any); objects {
		out := map[string]any{}
		for _, a := range args {
			m, _ := a.(map[string]any)
			maps.Copy(out, m)
		}
		return out, nil
	}
	out := []any{}
	for _, a := range args {
		l, _ := a.([]any)
		for _, v := range l {
			if !slices.ContainsFunc(out, func(o any) bool { return equal(o, v) }) {
				out = append(out, v)
			}
		}
	}
	return out, nil
}

func split(args []any) (any, error) {
	texts, err := textsOf(args)
	if err != nil || len(texts) != 2 {
		return nil, cmpOr(err, errors.New("split needs a text and a separator"))
	}
	out := []any{}
	for s := range strings.SplitSeq(texts[0], texts[1]) {
		out = append(out, s)
	}
	return out, nil
}

func cmpOr(a, b error) error {
	if a != nil {
		return a
	}
	return b
}

func joinList(args []any) (any, error) {
	l, _ := arg(args, 0).([]any)
	texts, err := textsOf(l)
	return strings.Join(texts, fmt.Sprint(arg(args, 1))), err
}

func contains(args []any) (any, error) {
	switch in := arg(args, 0).(type) {
	case string:
		return strings.Contains(in, fmt.Sprint(arg(args, 1))), nil
	case []any:
		return slices.ContainsFunc(in, func(v any) bool { return equal(v, arg(args, 1)) }), nil
	case map[string]any:
		_, has := lookUp(in, fmt.Sprint(arg(args, 1)))
		return has, nil
	}
	return false, nil
}

func take(args []any) (any, error) {
	n, err := strconv.Atoi(fmt.Sprint(arg(args, 1)))
	if err != nil {
		return nil, errors.New("take needs a number")
	}
	if l, is := arg(args, 0).([]any); is {
		return l[:min(max(n, 0), len(l))], nil
	}
	s, err := textOfValue(arg(args, 0))
	runes := []rune(s)
	return string(runes[:min(max(n, 0), len(runes))]), err
}

func substring(args []any) (any, error) {
	s, err := textOfValue(arg(args, 0))
	runes := []rune(s)
	from, bad := strconv.Atoi(fmt.Sprint(arg(args, 1)))
	n := len(runes) - from
	if len(args) > 2 && bad == nil {
		n, bad = strconv.Atoi(fmt.Sprint(args[2]))
	}
	if bad != nil || from < 0 || n < 0 || from+n > len(runes) {
		return nil, errors.New("substring is asked for what is not in the text")
	}
	return string(runes[from : from+n]), err
}

// typedID returns the id of a resource of a type below a scope.
func typedID(base string, args []any) (any, error) {
	texts, err := textsOf(args)
	if err != nil {
		return nil, err
	}
	if len(texts) == 0 {
		return nil, errors.New("a resource type is needed")
	}
	words, names := strings.Split(texts[0], "/"), texts[1:]
	if len(words) != len(names)+1 {
		return nil, fmt.Errorf("the type %q needs %d names, not %d", texts[0], len(words)-1, len(names))
	}
	id := strings.TrimSuffix(base, "/") + "/providers/" + words[0]
	for i, name := range names {
		id += "/" + words[i+1] + "/" + name
	}
	return id, nil
}
