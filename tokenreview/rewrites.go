package tokenreview

import (
	"strings"

	lru "github.com/hashicorp/golang-lru/v2"

	"github.com/eksauth/eksauth/awsauth"
)

// maxRewrites bounds the usernames that are remembered.
const maxRewrites = 10_000

// rewrites sees when two sessions become one user, because {{SessionName}} writes @
// as -: ada@example.com and ada-example.com. Each is let in, as its mapping says;
// that they are one is said in the log.
type rewrites struct{ sessions *lru.Cache[string, string] } // by username

func newRewrites() rewrites {
	sessions, err := lru.New[string, string](maxRewrites)
	if err != nil { // its size is wrong
		panic(err)
	}
	return rewrites{sessions}
}

// note returns the other session that has this username; "" if none is known.
func (r rewrites) note(m awsauth.Mapping, session string) (other string) {
	if !m.SessionRewritten || !strings.ContainsAny(session, "@-") {
		return ""
	}
	known, ok := r.sessions.Get(m.Username)
	if ok && known == session {
		return ""
	}
	r.sessions.Add(m.Username, session)
	return known
}
