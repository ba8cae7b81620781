package symptom

import (
	"regexp"
	"strconv"
	"strings"
	"sync"
	"time"
)

// What Match.Facts is keyed by.
const (
	FactRole           = "role"           // arn:aws:iam::ACCOUNT:role/PATH/NAME
	FactRoleName       = "roleName"       // the last part of it
	FactAccount        = "account"        // twelve digits
	FactCaller         = "caller"         // the ARN of who asked
	FactIssuer         = "issuer"         // https://…
	FactIssuerHost     = "issuerHost"     // the same without the scheme, as IAM writes it
	FactNamespace      = "namespace"      // of a service account
	FactServiceAccount = "serviceAccount" // without its namespace
	FactCluster        = "cluster"
	FactRegion         = "region"
	FactProfile        = "profile"
	FactWebhook        = "webhook"    // the name under which it is registered
	FactUser           = "user"       // of Kubernetes
	FactExpiredFor     = "expiredFor" // how long a token had been expired, as in 22h8m16s
	FactAction         = "action"     // as in s3:GetObject
)

// form is how a fact is written. Values are safe in a shell, because they stand
// in commands that people paste.
type form struct {
	expr string
	keys []string // of the groups
}

var forms = []form{
	{`\b(arn:aws[a-z-]*:iam::\d{12}:role/[\w+=,.@/-]*[\w+=@-])`, []string{FactRole}},
	{`\b(arn:aws[a-z-]*:(?:sts|iam)::(\d{12}):(?:assumed-role|user|federated-user)/[\w+=,.@/-]*[\w+=@-])`, []string{FactCaller, FactAccount}},
	{`\barn:aws[a-z-]*:sts::\d{12}:assumed-role/([\w+=,.@-]+)/`, []string{FactRoleName}},
	{`\barn:aws[a-z-]*:iam::(\d{12}):oidc-provider/([\w./-]*\w)`, []string{FactAccount, FactIssuerHost}},
	{`(?i)provider found in your account for (https://[\w.-]+(?::\d+)?(?:/[\w./-]*)?)`, []string{FactIssuer}},
	{`(https://oidc\.eks[\w-]*\.[\w.-]+/id/\w+)`, []string{FactIssuer}},
	{`\boidc\.eks(?:-fips)?\.([a-z]{2}(?:-[a-z]+)+-\d)\.`, []string{FactRegion}},
	{`\bsystem:serviceaccount:([a-z0-9-]+):([a-z0-9][a-z0-9.-]*)`, []string{FactNamespace, FactServiceAccount}},
	{`(?i)service account ([a-z0-9-]+)/([a-z0-9.-]*[a-z0-9])`, []string{FactNamespace, FactServiceAccount}},
	{`\barn:aws[a-z-]*:eks:([a-z0-9-]+):(\d{12}):cluster/([\w-]+)`, []string{FactRegion, FactAccount, FactCluster}},
	{`(?:--cluster-name|--cluster-id)[ =]([\w-]+)`, []string{FactCluster}},
	{`(?i)no cluster found for name: ([\w-]+)`, []string{FactCluster}},
	{`\bsts\.([a-z]{2}(?:-[a-z]+)+-\d)\.amazonaws`, []string{FactRegion}},
	{`--region[ =]([a-z0-9-]+)`, []string{FactRegion}},
	{`(?i)config profile \(([\w.@-]+)\)`, []string{FactProfile}},
	{`(?i)(?:shared config profile, |profile[:= ]["']?)([\w.@-]+)["']? (?:could not be found|not found)`, []string{FactProfile}},
	{`--profile[ =]([\w.@-]+)`, []string{FactProfile}},
	{`(?i)calling (?:admission )?webhook,? ?(?:failing open )?["']?([a-z0-9.-]*[a-z0-9])`, []string{FactWebhook}},
	{`(?i)\bUser ["']([\w:.@/-]+)["'] cannot`, []string{FactUser}},
	{`(?i)not authorized to perform: ?([a-z0-9-]+:\w+)`, []string{FactAction}},
}

// expressions are forms, compiled.
var expressions = sync.OnceValue(func() []*regexp.Regexp {
	var all []*regexp.Regexp
	for _, f := range forms {
		all = append(all, regexp.MustCompile(f.expr))
	}
	return all
})

// name is a fact, and where it stands.
type name struct {
	key, value string
	at         int
}

type names []name

// maxNames bounds how often one form is looked for.
const maxNames = 100

func namesIn(text string) names {
	var all names
	for i, re := range expressions() {
		for _, m := range re.FindAllStringSubmatchIndex(text, maxNames) {
			for g, key := range forms[i].keys {
				all = append(all, name{key, text[m[2*g+2]:m[2*g+3]], m[0]})
			}
		}
	}
	return append(all, expiries(text)...)
}

var tokenTimes = sync.OnceValue(func() *regexp.Regexp {
	return regexp.MustCompile(`current date/time ?(\d{1,12}) must be before the expiration date/time ?(\d{1,12})`)
})

// expiries are how long STS says that tokens have been expired.
func expiries(text string) names {
	var all names
	for _, m := range tokenTimes().FindAllStringSubmatchIndex(text, maxNames) {
		now, err := strconv.ParseInt(text[m[2]:m[3]], 10, 64)
		end, err2 := strconv.ParseInt(text[m[4]:m[5]], 10, 64)
		// A century is beyond what a Duration holds three times over, and beyond doubt.
		if late := now - end; err == nil && err2 == nil && 0 <= late && late < 100*365*24*3600 {
			all = append(all, name{FactExpiredFor, (time.Duration(late) * time.Second).String(), m[0]})
		}
	}
	return all
}

// near is, of every fact, the one next to the message at a place.
func (all names) near(at int) map[string]string {
	facts, best := map[string]string{}, map[string]int{}
	for _, n := range all {
		d := max(n.at-at, at-n.at)
		if far, ok := best[n.key]; !ok || d < far {
			facts[n.key], best[n.key] = n.value, d
		}
	}
	if role := facts[FactRole]; role != "" { // the nearest may be the caller's
		facts[FactAccount] = strings.Split(role, ":")[4]
		facts[FactRoleName] = role[strings.LastIndexByte(role, '/')+1:]
	}
	if host := facts[FactIssuerHost]; facts[FactIssuer] == "" && host != "" {
		facts[FactIssuer] = "https://" + host
	}
	if issuer := facts[FactIssuer]; issuer != "" {
		facts[FactIssuerHost] = strings.TrimPrefix(issuer, "https://")
	}
	return facts
}

// placeholders stand in the texts of rules for facts, and in what is shown for
// those that are not known.
var placeholders = []struct{ key, word string }{
	{FactRole, "ROLE_ARN"}, {FactRoleName, "ROLE"}, {FactAccount, "ACCOUNT"}, {FactCaller, "CALLER_ARN"},
	{FactIssuer, "ISSUER"}, {FactIssuerHost, "ISSUER_HOST"}, {FactNamespace, "NAMESPACE"}, {FactServiceAccount, "SERVICE_ACCOUNT"},
	{FactCluster, "CLUSTER"}, {FactRegion, "REGION"}, {FactProfile, "PROFILE"}, {FactWebhook, "WEBHOOK"},
	{FactUser, "USER"}, {FactExpiredFor, "a while"}, {FactAction, "ACTION"},
}

// filler puts facts where a rule has {key}.
func filler(facts map[string]string) *strings.Replacer {
	var pairs []string
	for _, p := range placeholders {
		value := facts[p.key]
		if value == "" {
			value = p.word
		}
		pairs = append(pairs, "{"+p.key+"}", value)
	}
	return strings.NewReplacer(pairs...)
}
