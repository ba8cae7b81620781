package awsauth

import (
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// entryText is an entry of mapUsers, good unless more makes it faulty.
func entryText(name, username string, more ...string) string {
	return "- {userarn: '" + acct + "user/" + name + "', username: '" + username + "'" + strings.Join(append([]string{""}, more...), ", ") + "}\n"
}

// inUse lists the usernames in the order of the search, with * at those that
// are kept.
func inUse(l *Live) string {
	kept := l.State()[0].Kept
	var list []string
	for _, e := range l.Table().Entries() {
		name := e.Username
		if e.Account != "" {
			name = e.Account
		}
		if slices.ContainsFunc(kept, func(k Entry) bool { return cmp.Equal(k, e) }) {
			name += "*"
		}
		list = append(list, name)
	}
	return strings.Join(list, " ")
}

const (
	slip   = "groups: admins"                                                           // a text, not a list
	short  = "- {userarn: 'arn:aws:iam::11112222333:user/bob', username: bob2}\n"       // eleven digits
	short2 = "- {userarn: 'arn:aws:iam::11112222333:user/zoe', username: zoe}\n"        // another
	mute   = "- {username: bob2}\n"                                                     // for nobody
	both   = "- {rolearn: 'arn:aws:iam::111122223333:role/r', username: r2, sso: {}}\n" // for two
)

func TestLiveKeepsWhatAFaultyEntryReplaced(t *testing.T) {
	t.Parallel()
	good := entryText("ada", "ada") + entryText("bob", "bob") + entryText("cid", "cid")
	ada, bob, cid := entryText("ada", "ada2"), entryText("bob", "bob2"), entryText("cid", "cid2")
	badBob := entryText("bob", "bob2", slip)
	for name, c := range map[string]struct {
		texts []string // of mapUsers, after good
		want  []string
	}{
		"groups a text":              {[]string{ada + badBob + cid}, []string{"ada2 bob* cid2"}},
		"unknown template":           {[]string{ada + entryText("bob", "{{Session}}") + cid}, []string{"ada2 bob* cid2"}},
		"a template without quotes":  {[]string{ada + entryText("bob", "x", "groups: [{{SessionName}}]") + cid}, []string{"ada2 bob* cid2"}},
		"misspelt pin":               {[]string{ada + entryText("bob", "bob2", "user-id: AIDA") + cid}, []string{"ada2 bob* cid2"}},
		"pin not a text":             {[]string{ada + entryText("bob", "bob2", "userid: []") + cid}, []string{"ada2 bob* cid2"}},
		"written otherwise":          {[]string{"- {userarn: '" + strings.ToUpper(acct) + "USER/BOB', " + slip + "}\n"}, []string{"bob*"}},
		"a digit is missing":         {[]string{ada + short + cid}, []string{"ada2 bob* cid2"}},
		"no ARN":                     {[]string{ada + mute + cid}, []string{"ada2 bob* cid2"}},
		"no mapping":                 {[]string{ada + "- bob\n" + cid}, []string{"ada2 bob* cid2"}},
		"nothing":                    {[]string{ada + "-\n" + cid}, []string{"ada2 bob* cid2"}},
		"two":                        {[]string{entryText("ada", "x", slip) + short + cid}, []string{"ada* bob* cid2"}},
		"moved to the end":           {[]string{ada + cid + badBob}, []string{"ada2 cid2 bob*"}},
		"moved to the front":         {[]string{badBob + ada + cid}, []string{"bob* ada2 cid2"}},
		"again and again":            {[]string{badBob + ada, badBob + ada, ada + badBob}, []string{"bob* ada2", "bob* ada2", "ada2 bob*"}},
		"faulty otherwise":           {[]string{ada + badBob + cid, ada + short + cid, ada + mute + cid, ada + cid + badBob}, []string{"ada2 bob* cid2", "ada2 bob* cid2", "ada2 bob* cid2", "ada2 cid2 bob*"}},
		"moved without its ARN":      {[]string{ada + short + cid, short + ada, ada + cid + short}, []string{"ada2 bob* cid2", "bob* ada2", "ada2 cid2 bob*"}},
		"repaired, then removed":     {[]string{ada + badBob, ada + bob, ada}, []string{"ada2 bob*", "ada2 bob2", "ada2"}},
		"removed":                    {[]string{ada + badBob, ada}, []string{"ada2 bob*", "ada2"}},
		"removed, and faulty again":  {[]string{ada + badBob, ada, ada + badBob}, []string{"ada2 bob*", "ada2", "ada2"}},
		"repaired for another":       {[]string{ada + short + cid, ada + entryText("zoe", "zoe") + cid}, []string{"ada2 bob* cid2", "ada2 zoe cid2"}},
		"removed, another faulty":    {[]string{badBob + cid}, []string{"bob* cid2"}},
		"removed, another without":   {[]string{ada + short}, []string{"ada2 bob*"}},
		"removed, another shifted":   {[]string{bob + short2}, []string{"bob2"}},
		"removed, another new":       {[]string{ada + cid + entryText("zoe", "zoe", slip)}, []string{"ada2 cid2"}},
		"removed, in its place":      {[]string{ada + entryText("zoe", "zoe", slip) + cid}, []string{"ada2 cid2"}},
		"never good":                 {[]string{good + short2, good + short2}, []string{"ada bob cid", "ada bob cid"}},
		"never good, moved up":       {[]string{good + short2, ada + bob + short2, ada + short2, short2}, []string{"ada bob cid", "ada2 bob2", "ada2", ""}},
		"never good, nor told apart": {[]string{good + "-\n", ada + bob + "-\n", "-\n"}, []string{"ada bob cid", "ada2 bob2", ""}},
		"two not told apart":         {[]string{good + mute, ada + mute + cid + mute, ada + mute + cid + mute}, []string{"ada bob cid", "ada2 cid2", "ada2 cid2"}},
		"one of two not told apart":  {[]string{ada + mute + cid + mute, ada + mute + cid + mute}, []string{"ada2 bob* cid2", "ada2 bob* cid2"}},
		"moved, then without ARN":    {[]string{badBob + ada, short + ada}, []string{"bob* ada2", "bob* ada2"}},
		"never good, then its place": {[]string{short2 + good, short2 + ada + short + cid}, []string{"ada bob cid", "ada2 bob* cid2"}},
		"good as well":               {[]string{ada + badBob + bob}, []string{"ada2 bob2"}},
		"faulty twice":               {[]string{badBob + ada + badBob}, []string{"bob* ada2"}},
		"faulty with and without":    {[]string{ada + short + badBob}, []string{"ada2 bob*"}},
		"a broken key between":       {[]string{ada + badBob, "{", badBob + ada, ada}, []string{"ada2 bob*", "ada2 bob", "bob* ada2", "ada2"}},
		"never good, broken between": {[]string{good + short2, "{", short2}, []string{"ada bob cid", "ada bob cid", ""}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			l := NewLive(Source{Name: EKSConfigMap})
			for i, text := range append([]string{good}, c.texts...) {
				update(t, l, EKSConfigMap, ParseConfigMap(map[string]string{MapUsers: text}))
				want := "ada bob cid"
				if i > 0 {
					want = c.want[i-1]
				}
				if got := inUse(l); got != want {
					t.Errorf("after %d: got %q, want %q", i, got, want)
				}
			}
		})
	}
}

func TestLiveKeepsByPin(t *testing.T) {
	t.Parallel()
	pin := func(username, id string, more ...string) string {
		return entryText("ada", username, append(more, "userid: "+id)...)
	}
	for name, c := range map[string]struct{ before, after, want string }{
		"the same pin":          {pin("a", "A") + pin("b", "B"), pin("a2", "A") + pin("b2", "B", slip), "a2 b*"},
		"in another order":      {pin("a", "A") + pin("b", "B"), pin("b2", "B", slip) + pin("a2", "A"), "b* a2"},
		"the other is removed":  {pin("a", "A") + pin("b", "B"), pin("b2", "B", slip), "b*"},
		"which one?":            {pin("a", "A") + pin("b", "B"), entryText("ada", "c", slip), ""},
		"nor by its place":      {pin("a", "A") + pin("b", "B"), short + entryText("ada", "c", slip), ""},
		"the same twice":        {entryText("ada", "a") + entryText("ada", "b"), entryText("ada", "c", slip), "a*"},
		"the pin is faulty":     {pin("a", "A"), pin("a2", "[]"), "a*"},
		"a faulty pin is added": {entryText("ada", "a"), pin("a2", "[]"), "a*"},
		"good under a new pin":  {pin("a", "A"), pin("a2", "B") + pin("a3", "[]"), "a2"},
		"none beside a pin":     {pin("a", "A") + entryText("ada", "b"), pin("a2", "A") + entryText("ada", "b2", slip), "a2 b*"},
	} {
		l := NewLive(Source{Name: EKSConfigMap})
		for range 2 { // and once more with the same
			update(t, l, EKSConfigMap, ParseConfigMap(map[string]string{MapUsers: c.before}))
			update(t, l, EKSConfigMap, ParseConfigMap(map[string]string{MapUsers: c.after}))
			if got := inUse(l); got != c.want {
				t.Errorf("%s: got %q, want %q", name, got, c.want)
			}
		}
	}
}

func TestLiveKeepsRolesPermissionSetsAndAccounts(t *testing.T) {
	t.Parallel()
	const (
		role    = "- {rolearn: 'arn:aws:iam::111122223333:role/r', username: r}\n"
		sso     = "- {sso: {permissionSetName: Admin, accountID: '111122223333'}, username: s}\n"
		account = "- '111122223333'\n- '444455556666'\n"
	)
	for name, c := range map[string]struct {
		after map[string]string
		want  string
	}{
		"session in a user id": {map[string]string{MapRoles: "- {rolearn: 'arn:aws:iam::111122223333:role/r', username: r2, userid: 'AROA:s'}\n" + sso}, "r* s"},
		"a path is added":      {map[string]string{MapRoles: "- {rolearn: 'arn:aws:iam::111122223333:role/x/R', " + slip + "}\n"}, "r*"},
		"for a role and a set": {map[string]string{MapRoles: both + sso}, "r* s"},
		"a set in other case":  {map[string]string{MapRoles: "- {sso: {permissionSetName: admin, accountID: '111122223333'}, " + slip + "}\n" + role}, "s* r"},
		"a set's account":      {map[string]string{MapRoles: role + "- {sso: {permissionSetName: Admin, accountID: '11112222333'}, username: s2}\n"}, "r s*"},
		"an account":           {map[string]string{MapRoles: role, MapAccounts: "- '111122223333'\n- '44445555666'\n"}, "r 111122223333 444455556666*"},
		"an account moved up":  {map[string]string{MapAccounts: "- '44445555666'\n- '111122223333'\n"}, "111122223333"},
		"under another key":    {map[string]string{MapUsers: "- {userarn: 'arn:aws:iam::111122223333:role/r', " + slip + "}\n"}, ""},
		"beside a broken key":  {map[string]string{MapRoles: "{", MapAccounts: "- '11112222333'\n"}, "r s 111122223333*"},
	} {
		l := NewLive(Source{Name: EKSConfigMap})
		update(t, l, EKSConfigMap, ParseConfigMap(map[string]string{MapRoles: role + sso, MapAccounts: account}))
		update(t, l, EKSConfigMap, ParseConfigMap(c.after))
		if got := inUse(l); got != c.want {
			t.Errorf("%s: got %q, want %q", name, got, c.want)
		}
	}
}

func TestLiveTellsWhichEntriesAreKept(t *testing.T) {
	t.Parallel()
	l := NewLive(Source{Name: EKSConfigMap, ReservedPrefixes: []string{"system:"}})
	l.Now = clock()
	var told []int
	l.OnChange = func(s SourceState) { told = append(told, len(s.Kept)) }
	role := "- {rolearn: 'arn:aws:iam::111122223333:role/r', username: r}\n"
	update(t, l, EKSConfigMap, ParseConfigMap(map[string]string{MapRoles: role, MapUsers: entryText("ada", "ada", "groups: [admins]") + entryText("bob", "bob")}))
	slipped := map[string]string{MapRoles: role, MapUsers: entryText("bob", "bob") + entryText("ada", "ada", slip)}
	for range 2 { // the second is an informer's resync
		update(t, l, EKSConfigMap, ParseConfigMap(slipped))
	}
	st := l.State()[0]
	kept := Entry{Source: EKSConfigMap, Key: MapUsers, Index: 0, Line: 1, ARN: acct + "user/ada", Username: "ada", Groups: []string{"admins"}}
	want := SourceState{Name: EKSConfigMap, Synced: true, Entries: 3, Stale: []string{MapUsers}, Kept: []Entry{kept}, Updated: minute(3), LastGood: minute(1), Faults: st.Faults}
	if diff := cmp.Diff(want, st); diff != "" || !slices.Equal(told, []int{0, 1}) {
		t.Errorf("told of %v; state (-want +got):\n%s", told, diff)
	}
	if got := lines(st.Faults); len(got) != 1 || !strings.Contains(got[0], "groups is a text") {
		t.Errorf("faults: %q", got)
	}
	m, err := l.Table().Map(identity(t, acct+"user/ada", ""))
	if err != nil || !cmp.Equal(m.Groups, []string{"admins"}) || !cmp.Equal(m.Entry, kept) {
		t.Errorf("%+v, %v", m, err)
	}
	// Gone with the whole source and back again: still kept, and then good.
	if err := l.Missing(EKSConfigMap); err != nil || inUse(l) != "r bob ada*" {
		t.Errorf("missing: %v, %s", err, inUse(l))
	}
	update(t, l, EKSConfigMap, ParseConfigMap(slipped))
	if inUse(l) != "r bob ada*" {
		t.Errorf("back again: %s", inUse(l))
	}
	update(t, l, EKSConfigMap, ParseConfigMap(map[string]string{MapUsers: users("ada")}))
	if st := l.State()[0]; len(st.Kept)+len(st.Stale) > 0 || !st.LastGood.Equal(minute(6)) || inUse(l) != "ada" {
		t.Errorf("good again: %+v", st)
	}
}
