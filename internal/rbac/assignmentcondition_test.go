package rbac_test

import (
	"errors"
	"strings"
	"testing"

	"midas/internal/arm"
	"midas/internal/rbac"
	"midas/internal/store"
)

// A fault of a condition has its place in the text. Nothing is stored.
func TestFaultsOfConditionsHaveTheirPlace(t *testing.T) {
	b := newBench(t)
	for text, want := range map[string]string{
		"@Resource[a] StringEquals":                                          "Line 1, column 26: ",
		"(\n  @Resource[a] StringEquals 'x'\n":                               "Line 3, column 1: ",
		"@Resource[a] Equals 'x'":                                            "the operator 'Equals' is not known",
		"Exists @Resource[a] AND Exists @Resource[b] OR Exists @Resource[c]": "Line 1, column 45: AND and OR need parentheses",
		" ":                                "Line 1, column 2: ",
		strings.Repeat("(", 8000):          "64 deep",
		strings.Repeat("🙂", 3000):          "longer than 8192 bytes",
		"@Resource[a] StringEquals '\xff'": "not UTF-8",
	} {
		_, err := b.PutAssignment(t.Context(), event(), rbac.Assignment{Name: guid(1), Scope: rg1, DefinitionID: reader, PrincipalID: alice, Condition: &text})
		var refused *arm.Error
		if !errors.As(err, &refused) || refused.Status != 400 || refused.Code != "InvalidRoleAssignmentCondition" ||
			!strings.HasPrefix(refused.Message, "The given role assignment condition is invalid. ") || !strings.Contains(refused.Message, want) {
			t.Errorf("%.40q: %v, want %s", text, err, want)
		}
	}
	if _, err := b.Assignment(t.Context(), tenant, id(t, rg1), guid(1)); err == nil {
		t.Error("an assignment is stored")
	}
}

func TestConditionsWithoutVersionHaveVersion2(t *testing.T) {
	b := newBench(t)
	put, err := b.PutAssignment(t.Context(), event(), rbac.Assignment{Name: guid(1), Scope: rg1, DefinitionID: reader, PrincipalID: alice, Condition: ptr(anyCondition)})
	if err != nil || put.ConditionVersion == nil || *put.ConditionVersion != "2.0" || *put.Condition != anyCondition {
		t.Errorf("%+v, %v", put, err)
	}
}

// Azure documents the empty text, beside null, as the way to remove a condition. Azure CLI sends it.
func TestAnEmptyConditionRemovesTheCondition(t *testing.T) {
	b := newBench(t)
	a := rbac.Assignment{Name: guid(1), Scope: rg1, DefinitionID: reader, PrincipalID: alice, Condition: ptr(anyCondition)}
	if _, err := b.PutAssignment(t.Context(), event(), a); err != nil || b.may(t, as(alice), uai+"read", app) {
		t.Fatalf("allowed, %v", err)
	}
	a.Condition, a.ConditionVersion = ptr(""), ptr("")
	put, err := b.PutAssignment(t.Context(), event(), a)
	if err != nil || put.Condition != nil || put.ConditionVersion != nil || !b.may(t, as(alice), uai+"read", app) {
		t.Errorf("%+v, %v", put, err)
	}
	a.ConditionVersion = ptr("2.0")
	if _, err := b.PutAssignment(t.Context(), event(), a); err == nil {
		t.Error("a version without a condition is accepted")
	}
}

// Versions of Midas before conditions were evaluated stored texts that are no conditions.
func TestStoredConditionsThatAreInvalidGrantNothing(t *testing.T) {
	b := newBench(t)
	if _, err := b.PutAssignment(t.Context(), event(), rbac.Assignment{Name: guid(1), Scope: rg1, DefinitionID: owner, PrincipalID: alice, Condition: ptr(anyCondition)}); err != nil {
		t.Fatal(err)
	}
	_, err := b.Store.Update(t.Context(), func(tx store.Tx) error {
		for rec, err := range tx.Scan(store.Range{Prefix: "s/"}) {
			if err != nil {
				return err
			}
			tx.Put(rec.Key, []byte(strings.Replace(string(rec.Value), "StringEquals", "StringIs", 1)))
		}
		return nil
	})
	if err != nil || b.may(t, as(alice), uai+"read", app) {
		t.Errorf("allowed, %v", err)
	}
}
