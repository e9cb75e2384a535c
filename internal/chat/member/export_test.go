// SPDX-License-Identifier: Apache-2.0

package member

import (
	"crypto/sha256"

	"vcrypto/internal/chat/room"
	"vcrypto/internal/chat/transfer"
)

// PartName is where a file of this content is while it comes.
func PartName(content []byte) string {
	return transfer.PartName(&room.Offer{Sum: sha256.Sum256(content)})
}
