#!/usr/bin/python3
"""Reads a Tagout recording: a second reader, written from docs/recording-format.md and docs/auditor-keys.md alone.

    read_recording.py verify RECORDING …
    read_recording.py frames RECORDING IDENTITY LISTS PASSPHRASE
    read_recording.py frames RECORDING RECOVERY-FILE

Debian: python3-nacl, python3-cryptography. `frames` prints a line of JSON per frame.
"""
import base64, hashlib, json, struct, sys, unicodedata, zlib

import nacl.bindings as sodium
import nacl.pwhash.argon2id
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

PREAMBLE = bytes.fromhex("895447520d0a1a0a00000001")
LIMITS = {1: 1 << 18, 2: 1024, 3: (1 << 20) + 64, 4: 1024, 5: 136, 6: 1 << 24, 7: 16}
LIMITS.update({extra: 1 << 24 for extra in range(0x20, 0x30)})


class Tampered(Exception):
    pass


def need(holds, what):
    if not holds:
        raise Tampered(what)


def parts(*items):
    items = [item.encode() if isinstance(item, str) else item for item in items]
    return b"".join(struct.pack(">I", len(item)) + item for item in items)


def u32(number):
    return struct.pack(">I", number)


def sha256(data):
    return hashlib.sha256(data).digest()


def canonical(body):
    value = json.loads(body)
    again = json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()
    need(again == body, "not canonical json")
    return value


def is_signed(purpose, header_hash, payload, key):
    try:
        message = parts(purpose, header_hash, payload[64:])
        sodium.crypto_sign_open(payload[:64] + message, key)
        return True
    except Exception:
        return False


def tree_root(leaves):
    if not leaves:
        return sha256(b"")
    if len(leaves) == 1:
        return leaves[0]
    split = 1
    while split * 2 < len(leaves):
        split *= 2
    return sha256(b"\x01" + tree_root(leaves[:split]) + tree_root(leaves[split:]))


def records(data):
    """Yields (type, offset, payload); ends, with None as payload, at a record that is not whole."""
    at = len(PREAMBLE)
    while at < len(data):
        kind = data[at]
        need(kind in LIMITS or not any(data[at:]), "a record is none")
        if len(data) - at < 5:
            yield kind, at, None
            return
        length = struct.unpack(">I", data[at + 1 : at + 5])[0]
        if not any(data[at:]):
            yield kind, at, None
            return
        need(length <= LIMITS[kind], "a record is too long")
        if at + 5 + length > len(data):
            yield kind, at, None
            return
        yield kind, at, data[at + 5 : at + 5 + length]
        at += 5 + length


class Recording:
    def __init__(self, data):
        need(data[:12] == PREAMBLE, "not a recording")
        self.data = data
        kind, _, payload = next(records(data))
        need(kind == 1 and payload is not None, "no header")
        self.header = canonical(payload[64:])
        self.hash = sha256(payload[64:])
        self.key = base64.b64decode(self.header["publicKey"])
        need(is_signed("tagout/v1/recording-header", self.hash, payload, self.key), "header signature")

    def verify(self):
        """Returns 'complete' or 'incomplete'; raises Tampered."""
        leaves, roots, places, extras = None, [], [], []
        segment, previous, chunks, final = -1, None, 0, None
        for number, (kind, at, payload) in enumerate(records(self.data)):
            if number == 0:
                continue
            need(final is None or kind == 7, "something follows the end")
            if payload is None:
                rest = self.data[at:]
                need(not self.data.endswith(b"TGR-END\n"), "changed before its end")
                own = 5 + 64 if kind == 5 else -1
                places_of = [i for i in range(len(rest)) if rest.startswith(b"TGRCHKPT", i)]
                need(all(i == own for i in places_of), "signed records follow")
                return "incomplete"
            if kind == 2:
                need(leaves is None and not extras, "order")
                head = canonical(payload)
                need(head["segment"] == segment + 1, "segment number")
                need(head["previous"] == (previous and base64.b64encode(previous).decode()), "previous")
                segment += 1
                leaves = [sha256(b"\x00\x02" + payload)]
                places.append([at, head["at"]])
            elif kind == 3:
                need(leaves is not None, "order")
                leaves.append(sha256(b"\x00\x03" + payload))
                chunks += 1
            elif kind == 4:
                need(is_signed("tagout/v1/recording-segment-end", self.hash, payload, self.key), "signature")
                end = canonical(payload[64:])
                previous = tree_root(leaves)
                need(end["segment"] == segment and end["leaves"] == len(leaves), "segment end")
                need(base64.b64decode(end["root"]) == previous, "segment root")
                roots.append(sha256(b"\x00" + previous))
                leaves = None
            elif kind == 5:
                need(is_signed("tagout/v1/recording-checkpoint", self.hash, payload, self.key), "signature")
                body = payload[64:]
                need(body[:8] == b"TGRCHKPT", "checkpoint")
                of, count, total, size, _ = struct.unpack(">IIQQQ", body[8:40])
                need((of, count, total, size) == (segment, len(leaves), chunks, at), "checkpoint")
                need(body[40:] == tree_root(leaves), "checkpoint root")
            elif kind == 6:
                need(is_signed("tagout/v1/recording-final", self.hash, payload, self.key), "signature")
                need(leaves is None, "order")
                final = canonical(payload[64:])
                need(final["recording"] == self.header["recording"] and final["size"] == at, "final")
                need(final["segments"] == places and final["chunks"] == chunks, "final")
                need(base64.b64decode(final["root"]) == tree_root(roots), "root")
                need([(e["type"], e["sha256"]) for e in final["extras"]] == extras, "extras")
                final["at"] = at
            elif kind == 7:
                need(final is not None and payload == struct.pack(">Q", final["at"]) + b"TGR-END\n", "footer")
                need(at + 21 == len(self.data), "something follows the end")
                return "complete"
            else:
                need(leaves is None and kind >= 0x20, "order")
                extras.append((kind, base64.b64encode(sha256(payload)).decode()))
        return "incomplete"

    def open(self, pairs):
        for recipient in self.header["recipients"]:
            pair = pairs.get(base64.b64decode(recipient["key"]))
            if pair:
                return sodium.crypto_box_seal_open(base64.b64decode(recipient["sealed"]), *pair)
        raise SystemExit("this recording is not sealed to that key")

    def derive(self, recording_key, info, length):
        return HKDF(hashes.SHA256(), length, self.hash, info).derive(recording_key)

    def frames(self, recording_key):
        key = head_hash = None
        for kind, _, payload in records(self.data):
            if payload is None:
                return
            if kind == 2:
                head = canonical(payload)
                segment, index, head_hash = head["segment"], 0, sha256(payload)
                info = parts("tagout/v1/recording-segment-key", u32(segment))
                okm = self.derive(recording_key, info, 64)
                need(base64.b64decode(head["commitment"]) == okm[32:], "commitment")
                key = AESGCM(okm[:32])
            elif kind == 3:
                flags = payload[:1]
                aad = parts("tagout/v1/recording-chunk", self.header["recording"], self.hash, head_hash,
                            u32(segment), u32(index), flags)
                plain = key.decrypt(bytes(8) + u32(index), payload[1:], aad)
                index += 1
                yield from decode(inflate(plain) if flags[0] & 1 else plain)

    def marks(self, recording_key):
        for kind, _, payload in records(self.data):
            if kind == 0x20:
                key = AESGCM(self.derive(recording_key, parts("tagout/v1/recording-marks-key"), 32))
                aad = parts("tagout/v1/recording-marks", self.header["recording"], self.hash, payload[:1])
                yield from decode(inflate(key.decrypt(bytes(12), payload[1:], aad)))


def inflate(data):
    return zlib.decompressobj(-15).decompress(data, 1 << 24)


def decode(chunk):
    place = 0

    def number():
        nonlocal place
        value = shift = 0
        while True:
            byte = chunk[place]
            place += 1
            value |= (byte & 0x7F) << shift
            shift += 7
            if byte < 0x80:
                return value

    def block():
        nonlocal place
        length = number()
        place += length
        return chunk[place - length : place]

    if not chunk:
        return
    at = number()
    while place < len(chunk):
        at += number()
        kind = chunk[place]
        place += 1
        frame = {"at": at, "channel": number() - 1}
        if kind in (1, 2, 3):
            frame.update(kind=("output", "stderr", "input")[kind - 1], bytes=base64.b64encode(block()).decode())
        elif kind == 4:
            frame.update(kind="resize", columns=number(), rows=number())
        elif kind == 5:
            value = number()
            frame.update(kind="timing", length=value // 2, submit=value % 2 == 1)
        elif kind == 6:
            frame.update(kind="hidden", length=number(), duration=number())
        elif kind == 7:
            frame.update(kind="mark", mark=canonical(block()))
        elif kind == 8:
            frame.update(kind="keyframe", columns=number(), rows=number(),
                         bytes=base64.b64encode(block()).decode())
        else:
            raise Tampered("a frame of no known kind")
        yield frame


def key_file(path, title):
    lines = open(path, encoding="utf-8").read().splitlines()
    if lines[0] != title:
        return None
    return dict(line.split(": ", 1) for line in lines[1:] if line and not line.startswith("#"))


def identity_pair(fields, passphrase):
    key = nacl.pwhash.argon2id.kdf(
        32, unicodedata.normalize("NFC", passphrase).encode(), base64.b64decode(fields["salt"]),
        opslimit=int(fields["passes"]), memlimit=int(fields["memory-kib"]) * 1024)
    raw = lambda name: base64.b64decode(fields[name])
    aad = parts("tagout/v1/auditor-identity", fields["name"], fields["sign-key"], fields["box-key"], fields["kdf"],
                fields["passes"], fields["memory-kib"], fields["salt"], fields["nonce"])
    plain = sodium.crypto_aead_xchacha20poly1305_ietf_decrypt(raw("sealed"), aad, raw("nonce"), key)
    return raw("box-key"), plain[64:]


def group_pairs(pair, lists):
    """All group key pairs that this auditor opens, by public key."""
    pairs = {}
    for link in reversed(lists):
        body = json.loads(base64.b64decode(link["body"]))
        wrapped = [a["wrappedGroupKey"] for a in body["auditors"] if base64.b64decode(a["boxKey"]) == pair[0]]
        if not wrapped:
            continue
        group = base64.b64decode(body["groupKey"])
        pairs[group] = (group, sodium.crypto_box_seal_open(base64.b64decode(wrapped[0]), *pair))
        for earlier in body["earlierGroupKeys"]:
            public = base64.b64decode(earlier["groupKey"])
            pairs[public] = (public, sodium.crypto_box_seal_open(base64.b64decode(earlier["wrapped"]), *pairs[group]))
        break
    return pairs


def verdict(path):
    try:
        return Recording(open(path, "rb").read()).verify()
    except (Tampered, ValueError, KeyError, TypeError, IndexError, StopIteration, struct.error) as error:
        return f"tampered: {error}"  # whatever does not parse was changed


def main(verb, path, *rest):
    if verb == "verify":
        verdicts = [verdict(one) for one in (path, *rest)]
        print("\n".join(verdicts))
        sys.exit(any(one.startswith("tampered") for one in verdicts))
    recording = Recording(open(path, "rb").read())
    recovery = key_file(rest[0], "tagout-recordings-recovery-key 1")
    if recovery:
        public = base64.b64decode(recovery["box-key"])
        pairs = {public: (public, base64.b64decode(recovery["box-private"]))}
    else:
        identity = key_file(rest[0], "tagout-auditor-identity 1")
        pairs = group_pairs(identity_pair(identity, rest[2]), json.load(open(rest[1])))
    key = recording.open(pairs)
    for frame in recording.frames(key) if verb == "frames" else recording.marks(key):
        print(json.dumps(frame, sort_keys=True))


if __name__ == "__main__":
    main(*sys.argv[1:])
