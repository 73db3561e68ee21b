package decision_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"

	"midas/internal/decision"
)

const (
	subjectID = "11111111-1111-4111-8111-111111111111"
	subject   = `"Subject":{"Attributes":{"ObjectId":"` + subjectID + `"}}`
	resource  = `"Resource":{"Id":"/subscriptions/22222222-2222-4222-8222-222222222222"}`
	actions   = `"Actions":[{"Id":"A.B/c/read"}]`
)

func TestParse(t *testing.T) {
	for name, text := range map[string]string{
		"the shortest":           "{" + subject + "," + actions + "}",
		"other cases of names":   `{"SUBJECT":{"attributes":{"OBJECTID":"` + subjectID + `"}},"actions":[{"ID":"A.B/c/read"}]}`,
		"white space":            " {\n\t" + subject + " ,\r\n" + actions + " }\n",
		"null is absent":         `{"Environment":null,"Resource":{"Id":null,"Attributes":null},` + subject + `,"Actions":[{"Id":"A.B/c/read","IsDataAction":null,"Attributes":null}]}`,
		"unknown members":        `{"CheckClassicAdmins":true,"x":[{"y":[1,-2.5e3,"\u00e9\\\""]},[],{}],` + subject + "," + actions + "}",
		"escapes":                `{` + subject + `,"Actions":[{"\u0049d":"A.B\/c\/re\u0061d"}]}`,
		"_claim_names as a text": `{"Subject":{"Attributes":{"ObjectId":"` + subjectID + `","_claim_names":"{\"groups\":\"src1\"}"}},` + actions + "}",
		"an unused member twice": `{"x":1,"x":2,` + subject + "," + actions + "}",
	} {
		q, err := decision.Parse([]byte(text))
		if err != nil || q.ObjectID != subjectID || len(q.Actions) != 1 || q.Actions[0].Name != "A.B/c/read" || q.Actions[0].Data {
			t.Errorf("%s: %+v, %v", name, q, err)
		}
		if err == nil && q.Expand != strings.Contains(text, "_claim_names") {
			t.Errorf("%s: Expand is %t", name, q.Expand)
		}
	}
}

func TestParseRefuses(t *testing.T) {
	attributes := func(text string) string {
		return "{" + subject + `,"Actions":[{"Id":"A.B/c/read","Attributes":` + text + `}]}`
	}
	many := func(n int, format string) string {
		var list []string
		for i := range n {
			list = append(list, strings.ReplaceAll(format, "#", fmt.Sprint(i)))
		}
		return strings.Join(list, ",")
	}
	for name, text := range map[string]string{
		"nothing":                       "",
		"null":                          "null",
		"an array":                      "[]",
		"an open object":                "{" + subject,
		"a comma at the end":            "{" + subject + "," + actions + ",}",
		"a comma at the end of a list":  "{" + subject + `,"Actions":[{"Id":"A.B/c/read"},]}`,
		"two commas":                    "{" + subject + ",," + actions + "}",
		"no colon":                      `{"Subject" {}}`,
		"something after it":            "{" + subject + "," + actions + "}{}",
		"a control character":           "{" + subject + ",\"Actions\":[{\"Id\":\"A.B/c\n/read\"}]}",
		"not UTF-8":                     "{" + subject + ",\"Actions\":[{\"Id\":\"A.B/c\xff/read\"}]}",
		"a bad escape":                  "{" + subject + `,"Actions":[{"Id":"A.B/c\x/read"}]}`,
		"a number with a leading zero":  `{"x":01,` + subject + "," + actions + "}",
		"a word":                        `{"x":tru,` + subject + "," + actions + "}",
		"a wrong type":                  "{" + subject + `,"Actions":[{"Id":7}]}`,
		"a text for a truth value":      "{" + subject + `,"Actions":[{"Id":"A.B/c/read","IsDataAction":"true"}]}`,
		"deep nesting":                  `{"x":` + strings.Repeat("[", 500) + strings.Repeat("]", 500) + "," + subject + "," + actions + "}",
		"a subject twice":               "{" + subject + "," + subject + "," + actions + "}",
		"a subject in two cases":        "{" + subject + "," + strings.Replace(subject, "Subject", "subject", 1) + "," + actions + "}",
		"an action with two names":      "{" + subject + `,"Actions":[{"Id":"A.B/c/read","id":"A.B/c/write"}]}`,
		"a truth value twice":           "{" + subject + `,"Actions":[{"Id":"A.B/c/read","IsDataAction":true,"IsDataAction":false}]}`,
		"an attribute twice":            attributes(`{"a:b":1,"a:b":2}`),
		"an attribute in two cases":     attributes(`{"a:b":1,"A:B":2}`),
		"a fraction":                    attributes(`{"a:b":1.5}`),
		"an object as an attribute":     attributes(`{"a:b":{"c":1}}`),
		"attributes that are a list":    attributes(`[1]`),
		"too many attributes":           attributes("{" + many(65, `"a:#":1`) + "}"),
		"an attribute with a long name": attributes(`{"` + strings.Repeat("x", 300) + `":1}`),
		"a long attribute":              attributes(`{"a:b":"` + strings.Repeat("x", 5000) + `"}`),
		"too many bytes of attributes":  attributes("{" + many(20, `"a:#":"`+strings.Repeat("x", 4000)+`"`) + "}"),
		"too many actions":              "{" + subject + `,"Actions":[` + many(10_000, `{"Id":"A.B/c#"}`) + "]}",
		"too many groups":               `{"Subject":{"Attributes":{"ObjectId":"` + subjectID + `","Groups":[` + many(1025, `"`+subjectID+`"`) + "]}}," + actions + "}",
		"a bad _claim_names":            `{"Subject":{"Attributes":{"ObjectId":"` + subjectID + `","_claim_names":7}},` + actions + "}",
		"a long body":                   "{" + subject + "," + actions + strings.Repeat(" ", decision.MaxBody) + "}",
	} {
		_, err := decision.Parse([]byte(text))
		var wrong *decision.Error
		if !errors.As(err, &wrong) || len(wrong.Message) > 600 {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// FuzzParse compares what is accepted with what package json accepts. Its corpus has the forms that clients send.
func FuzzParse(f *testing.F) {
	for _, text := range []string{
		"{" + subject + "," + actions + "," + resource + "}",
		"{" + subject + `,"Actions":[{"Id":"A.B/c/read","IsDataAction":true,"Attributes":{"a:b":[1,"x",true]},"SubOperation":"Blob.List"}],"Environment":{"Attributes":{}}}`,
		`{"Subject":{"Attributes":{"ObjectId":"` + subjectID + `","Groups":["` + subjectID + `"],"tid":"","_claim_names":{"groups":"src1"}}},` + actions + "}",
		`{"x":[1e5,-0,{"\ud800":"\u0000"}]}`,
	} {
		f.Add([]byte(text))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		q, err := decision.Parse(text)
		var wrong *decision.Error
		if err != nil {
			if !errors.As(err, &wrong) {
				t.Errorf("the error is %T: %v", err, err)
			}
			return
		}
		if !json.Valid(text) {
			t.Fatalf("%q is not JSON", text)
		}
		rest, err := q.Rest(q.Actions)
		if err != nil {
			t.Fatal(err)
		}
		again, err := decision.ParseRest(rest)
		if err != nil || again.ObjectID != q.ObjectID || len(again.Actions) != len(q.Actions) || again.Actions[0].Name != q.Actions[0].Name {
			t.Errorf("the rest of %q is %+v, %v", text, again, err)
		}
	})
}
