package awsauth

import "testing"

func TestEditDistance(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		a, b string
		want int
	}{
		{"", "", 0}, {"", "abc", 3}, {"abc", "", 3}, {"kitten", "sitting", 3}, {"prot", "port", 1}, {"ca", "abc", 3}, {"same", "same", 0},
	} {
		if got := editDistance(c.a, c.b); got != c.want {
			t.Errorf("%q to %q: %d, want %d", c.a, c.b, got, c.want)
		}
	}
}

func TestSuggestOnlyWhatIsNear(t *testing.T) {
	t.Parallel()
	for written, want := range map[string]string{
		"port": "port", "PORT": "port", "prot": "port", "prt": "port", "pirate": "", "": "", "hostname": "hostname", "hostnmae": "hostname",
	} {
		if got := suggest(written, []string{"port", "hostname"}); got != want {
			t.Errorf("%q: %q, want %q", written, got, want)
		}
	}
}
