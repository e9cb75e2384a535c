// SPDX-License-Identifier: Apache-2.0

package virtiocrypto_test

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// othersBugs are bugs that other devices and back-ends had, and the tests that
// would find them here: each drives the device as a guest or a front-end does,
// through the socket. Where several bugs share a test, its cases have their
// names.
var othersBugs = []struct {
	bug   string
	tests []string // folder: name
}{
	{"CVE-2017-5931: sums of lengths that overflow", []string{"virtiocrypto: TestRequestRefused", "virtiocrypto: TestServiceRequestRefused"}},
	{"CVE-2018-1059, CVE-2022-2132: a buffer in two memory regions, a header in several descriptors", []string{"virtiocrypto: TestAcrossRegions", "virtiocrypto: TestTableAcrossRegions", "virtiocrypto: TestSplitAnywhere"}},
	{"CVE-2019-14818: rings set up again and again", []string{"vhostuser: TestCVE_2019_14818_RingMessagesLeak"}},
	{"CVE-2020-10722: a log's size that overflows", []string{"vhostuser: TestCVE_2020_10722_LogBaseOverflow"}},
	{"CVE-2020-10723: a ring's index that is cut short", []string{"vhostuser: TestCVE_2020_10723_VringIndexTruncated"}},
	{"CVE-2020-10724: lengths in session messages", []string{"vhostuser: TestCVE_2020_10724_SessionLengths", "virtiocrypto/vhostcrypto: TestForgedMessages"}},
	{"CVE-2020-10725: a descriptor outside memory", []string{"vhostuser: TestCVE_2020_10725_DescriptorOutsideMemory"}},
	{"CVE-2020-10726: messages for what is in flight, again and again", []string{"vhostuser: TestCVE_2020_10726_InflightMessagesLeak"}},
	{"CVE-2020-14374, CVE-2020-14375: what is checked changes before it is used", []string{"virtiocrypto: TestHeaderChangesMeanwhile", "virtiocrypto: TestDescriptorsChangeMeanwhile"}},
	{"CVE-2020-14376: an IV that is too long", []string{"virtiocrypto: TestRequestRefused", "virtiocrypto: TestEveryField"}},
	{"CVE-2020-14377: the host's memory is copied to the guest", []string{"virtiocrypto: TestMoreRoomThanResult", "virtiocrypto: TestBadTagGivesNothing", "virtiocrypto: TestRequestTooShort"}},
	{"CVE-2020-14378: descriptors are counted wrongly", []string{"virtiocrypto: TestManySegments", "virtiocrypto: TestServiceTooShort"}},
	{"CVE-2021-3839: a number of queues in flight that is out of bounds", []string{"vhostuser: TestCVE_2021_3839_InflightQueues"}},
	{"CVE-2022-0669: descriptors that nobody asked for", []string{"vhostuser: TestCVE_2022_0669_UnexpectedDescriptorsLeak"}},
	{"CVE-2023-3180: source and destination of different lengths", []string{"virtiocrypto: TestRequestRefused", "virtiocrypto: TestServiceRequestRefused"}},
	{"CVE-2024-3446: a descriptor that points outside memory, or at device registers", []string{"virtiocrypto: TestBrokenRing"}},
	{"CVE-2025-14876: public-key lengths without bounds, max_size taken at its word", []string{"virtiocrypto: TestRSA", "virtiocrypto: TestServiceMaxSize"}},
	{"a session ID that is none ends the device", []string{"virtiocrypto: TestRequestRefused", "virtiocrypto: TestSessionIDs"}},
	{"sessions and buffers are lost where requests fail", []string{"virtiocrypto: TestServiceSessionRefused", "virtiocrypto: TestLeaksNothing", "virtiocrypto: TestConnectionsLeakNothing"}},
	{"a loop of descriptors", []string{"virtiocrypto: TestBrokenRing"}},
	{"a kick that comes before ENABLE is lost", []string{"virtiocrypto: TestKickBeforeEnable", "vhostuser: TestKickBeforeEnable"}},
	{"a request is processed twice after a restart", []string{"virtiocrypto: TestRestart", "virtiocrypto: TestStopWithRequestsInFlight"}},
	{"a guest's memory file is made shorter (SIGBUS)", []string{"cmd/vcrypto: TestGuestMemoryIsTakenAway"}},
	{"our own: a public-key request clears memory of an earlier request", []string{"virtiocrypto: TestVerificationWritesNothing"}},
}

// TestOthersBugsHaveTests: the tests of the list are there.
func TestOthersBugsHaveTests(t *testing.T) {
	source := make(map[string]string) // by folder
	for _, b := range othersBugs {
		for _, test := range b.tests {
			folder, name, _ := strings.Cut(test, ": ")
			if source[folder] == "" {
				files, err := filepath.Glob(filepath.Join("..", folder, "*_test.go"))
				if err != nil || len(files) == 0 {
					t.Fatalf("no tests in %s: %v", folder, err)
				}
				for _, f := range files {
					text, err := os.ReadFile(f)
					if err != nil {
						t.Fatal(err)
					}
					source[folder] += string(text)
				}
			}
			if ok, _ := regexp.MatchString(`(?m)^func `+name+`\(t \*testing.T\) \{$`, source[folder]); !ok {
				t.Errorf("%s: there is no test %s in %s", b.bug, name, folder)
			}
		}
	}
}
