#!/usr/bin/python3
"""Verifies Tagout's evidence packages, cuts and exports of the audit log: a second reader, written from docs/evidence-format.md,
docs/audit-format.md and docs/recording-format.md alone.

    read_evidence.py FILE … [--key BASE64] [--passphrase TEXT]

Prints a line for each file: `FILE: complete`, `incomplete` or `tampered: why`. Exit code 1 where one was tampered with.
Debian: python3-nacl, python3-cryptography.
"""
import base64, binascii, hashlib, json, re, struct, sys

import nacl.bindings as sodium
from cryptography import x509
from cryptography.exceptions import InvalidSignature, InvalidTag
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from read_recording import Recording, Tampered, canonical, decode, inflate, is_signed, need, parts, records, sha256, tree_root, u32


def b64(text):
    value = base64.b64decode(text, validate=True)
    need(base64.b64encode(value).decode() == text, "base64")
    return value


def node(left, right):
    return sha256(b"\x01" + left + right)


def included(leaf, index, size, proof, root):
    """RFC 9162 §2.1.3.2."""
    if index >= size:
        return False
    fn, sn, value = index, size - 1, leaf
    for sibling in proof:
        if sn == 0:
            return False
        if fn & 1 or fn == sn:
            value = node(sibling, value)
            while fn and not fn & 1:
                fn, sn = fn >> 1, sn >> 1
        else:
            value = node(value, sibling)
        fn, sn = fn >> 1, sn >> 1
    return sn == 0 and value == root


def consistent(first, first_root, second, second_root, proof):
    """RFC 9162 §2.1.4.2."""
    if first == second:
        return not proof and first_root == second_root
    if first == 0 or first > second:
        return first == 0 and not proof
    path = list(proof)
    if first & (first - 1) == 0:
        path.insert(0, first_root)
    if not path:
        return False
    fn, sn = first - 1, second - 1
    while fn & 1:
        fn, sn = fn >> 1, sn >> 1
    fr = sr = path.pop(0)
    for sibling in path:
        if sn == 0:
            return False
        if fn & 1 or fn == sn:
            fr, sr = node(sibling, fr), node(sibling, sr)
            while fn and not fn & 1:
                fn, sn = fn >> 1, sn >> 1
        else:
            sr = node(sr, sibling)
        fn, sn = fn >> 1, sn >> 1
    return sn == 0 and fr == first_root and sr == second_root


def checkpoint(text, key):
    note, line = text.split("\n\n")
    note += "\n"
    origin, size, root, time = note[:-1].split("\n")
    need(line.startswith(f"— {origin} ") and line.endswith("\n") and time.startswith("time "), "checkpoint")
    need(re.fullmatch("0|[1-9][0-9]{0,15}", size), "checkpoint size")
    signature = b64(line[len(f"— {origin} ") : -1])
    need(signature[:4] == sha256(f"{origin}\n".encode() + b"\x01" + key)[:4], "checkpoint key")
    try:
        sodium.crypto_sign_open(signature[4:] + note.encode(), key)
    except Exception:
        raise Tampered("checkpoint signature")
    return origin, int(size), b64(root)


LEAF = re.compile(rb'\{"entry":(.*),"prev":"((?:[0-9a-f]{64})?)","seq":(0|[1-9][0-9]{0,15})(,"unproven":true)?\}', re.S)


def leaf_parts(body):
    found = LEAF.fullmatch(body)
    need(found, "leaf")
    return found[1], found[2].decode(), int(found[3]), bool(found[4])


def verify_log(text, key):
    value = json.loads(text)
    need(json.dumps(value, separators=(",", ":"), ensure_ascii=False) + "\n" == text, "not as it is written")
    own = b64(value["publicKey"])
    need(len(own) == 32 and key in (None, own), "another key")
    if value["format"] == "tagout-audit-found":
        found(value["batches"], own)
        return "complete"
    need(value["format"] == "tagout-audit-export" and value["version"] == 1, "format")
    need(set(value) == {"format", "version", "publicKey", "checkpoints", "leaves"}, "members")
    points = [checkpoint(text, own) for text in value["checkpoints"]]
    need(len({origin for origin, _, _ in points}) == 1, "origins")
    leaves, prev = [], ""
    for place, one in enumerate(value["leaves"]):
        need(set(one) == {"seq", "body"} and one["seq"] == place, "number")
        body = b64(one["body"])
        _, before, seq, _ = leaf_parts(body)
        need(seq == place and before == prev, "chain")
        leaves.append(sha256(b"\x00" + body))
        prev = leaves[-1].hex()
    for _, size, root in points:
        need(size <= len(leaves) and tree_root(leaves[:size]) == root, "root")
    need(max(size for _, size, _ in points) == len(leaves), "nobody signed the last")
    return "complete"


def found(batches, key):
    entries = []
    for batch in batches:
        _, size, root = checkpoint(batch["checkpoint"], key)
        for one in batch["leaves"]:
            body = b64(one["body"])
            entry, _, seq, unproven = leaf_parts(body)
            need(seq == one["seq"], "number")
            need(included(sha256(b"\x00" + body), seq, size, [b64(hash) for hash in one["proof"]], root), "proof")
            if not unproven:
                entries.append(json.loads(entry))
    return entries


class Cut(Recording):
    """docs/recording-format.md §10."""

    def __init__(self, data):
        need(data[:12] == bytes.fromhex("895447430d0a1a0a00000001"), "not a cut")
        super().__init__(bytes.fromhex("895447520d0a1a0a00000001") + data[12:])

    def verify(self):
        *_, last = [one for one in records(self.data) if one[0] == 6]
        need(last[2] is not None and is_signed("tagout/v1/recording-final", self.hash, last[2], self.key), "end")
        final = canonical(last[2][64:])
        need(final["recording"] == self.header["recording"], "another recording")
        leaves, roots, kept, segment, previous, chunks, shift, ended = None, [], [], -1, None, 0, 0, False
        for number, (kind, at, payload) in enumerate(records(self.data)):
            need(payload is not None, "cut short")
            if number == 0:
                continue
            need(not ended or kind == 7, "order")
            if kind == 2:
                need(leaves is None, "order")
                head = canonical(payload)
                segment += 1
                need(head["segment"] == segment, "segment number")
                need(head["previous"] == (previous and base64.b64encode(previous).decode()), "previous")
                need(final["segments"][segment][1] == head["at"], "place")
                shift = final["segments"][segment][0] - at
                leaves = [sha256(b"\x00\x02" + payload)]
                kept.append(segment)
            elif kind == 3:
                need(leaves is not None, "order")
                leaves.append(sha256(b"\x00\x03" + payload))
                chunks += 1
            elif kind == 4:
                need(is_signed("tagout/v1/recording-segment-end", self.hash, payload, self.key), "signature")
                end = canonical(payload[64:])
                root = b64(end["root"])
                if leaves is None:
                    segment += 1
                    chunks += end["leaves"] - 1
                else:
                    need(end["leaves"] == len(leaves) and root == tree_root(leaves), "root of a segment")
                need(end["segment"] == segment, "segment number")
                previous, leaves = root, None
                roots.append(sha256(b"\x00" + root))
            elif kind == 5:
                need(leaves is not None, "order")
                need(is_signed("tagout/v1/recording-checkpoint", self.hash, payload, self.key), "signature")
                of, count, total, size, _ = struct.unpack(">IIQQQ", payload[72:104])
                need((of, count, total, size) == (segment, len(leaves), chunks, at + shift), "checkpoint")
                need(payload[104:] == tree_root(leaves), "checkpoint root")
            elif kind == 6:
                need(leaves is None and kept, "order")
                need(len(roots) == len(final["segments"]) and chunks == final["chunks"], "segments")
                need(b64(final["root"]) == tree_root(roots), "root")
                ended, place = True, at
            elif kind == 7:
                need(ended and payload == struct.pack(">Q", place) + b"TGC-END\n", "footer")
                need(at + 21 == len(self.data), "something follows the end")
                first, last = kept[0], kept[-1]
                begin = 0 if first == 0 else final["segments"][first][1]
                following = final["segments"][last + 1][1] if last + 1 < len(roots) else final["duration"]
                self.range = {"from": begin, "to": following}
                return "complete"
            else:
                raise Tampered("order")
        raise Tampered("no footer")


def unzip(data):
    """Stored files alone, in the one way in which a package is written."""
    files, at, central = {}, 0, b""
    while data[at : at + 4] == b"PK\x03\x04":
        head = struct.unpack("<IHHHHHIIIHH", data[at : at + 30])
        size, length = head[8], head[9]
        name = data[at + 30 : at + 30 + length]
        content = data[at + 30 + length : at + 30 + length + size]
        crc = binascii.crc32(content)
        need(len(content) == size and re.fullmatch(rb"[A-Za-z0-9.-]{1,60}", name) and name not in files, "zip")
        need(head == (0x04034B50, 20, 0, 0, 0, 0x21, crc, size, size, length, 0), "zip")
        central += struct.pack("<IHHHHHHIIIHHHHHII", 0x02014B50, 0x314, 20, 0, 0, 0, 0x21, crc, size, size, length,
                               0, 0, 0, 0, 0o100644 << 16, at) + name
        files[name] = content
        at += 30 + length + size
    end = struct.pack("<IHHHHIIH", 0x06054B50, 0, 0, len(files), len(files), len(central), at, 0)
    need(data[at:] == central + end, "zip")
    return {name.decode(): content for name, content in files.items()}


def der(data):
    """The values in a run of DER: (tag, content, all of its bytes)."""
    at, values = 0, []
    while at < len(data):
        size, start = data[at + 1], at + 2
        if size & 0x80:
            count = size & 0x7F
            size, start = int.from_bytes(data[start : start + count], "big"), start + count
        need(start + size <= len(data), "der")
        values.append((data[at], data[start : start + size], data[at : start + size]))
        at = start + size
    return values


def check_signature(cms, content, pem):
    certificate = x509.load_pem_x509_certificate(pem)
    outer = der(der(cms)[0][1])
    signed = der(der(outer[1][1])[0][1])
    raw = certificate.public_bytes(__import__("cryptography").hazmat.primitives.serialization.Encoding.DER)
    need(signed[3][1] == raw, "another certificate")
    signer = der(der(signed[4][1])[0][1])
    attributes = b"\x31" + signer[3][2][1:]
    digest = [der(der(one[1])[1][1])[0][1] for one in der(signer[3][1]) if der(one[1])[0][1].hex() == "2a864886f70d010904"]
    need(digest == [sha256(content)], "digest")
    for signature, message in ((signer[5][1], attributes), (certificate.signature, certificate.tbs_certificate_bytes)):
        certificate.public_key().verify(signature, message, ec.ECDSA(hashes.SHA256()))
    return raw


def verify_package(data, key, passphrase):
    files = unzip(data)
    listed = {}
    for line in files["SHA256SUMS"].decode().splitlines():
        sum, name = re.fullmatch("([0-9a-f]{64})  ([A-Za-z0-9.-]{1,60})", line).groups()
        listed[name] = sum
        need(hashlib.sha256(files[name]).hexdigest() == sum, f"{name} was changed")
    need(set(files) - set(listed) <= {"SHA256SUMS", "SHA256SUMS.p7s", "SHA256SUMS.tsr"}, "a file was added")
    raw = check_signature(files["SHA256SUMS.p7s"], files["SHA256SUMS"], files["certificate.pem"])
    audit, facts = canonical(files["audit.json"][:-1]), canonical(files["evidence.json"][:-1])
    own = b64(audit["publicKey"])
    need(key in (None, own), "another key")
    entries = found(audit["batches"], own)
    of = lambda kind: [one for one in entries if one["kind"] == kind and one.get("recording", facts["recording"]) == facts["recording"]]
    need(any(b64(one["certificate"]) == raw for one in of("evidence.certificate")), "certificate is not in the log")
    recording = Recording(files["recording.tgr"]) if facts["cut"] is None else Cut(files["recording.tgc"])
    state = recording.verify()
    need(facts["cut"] is None or recording.range == facts["cut"], "another part")
    started = of("session.started")[0]
    need(b64(started["publicKey"]) == recording.key and b64(started["headerHash"]) == recording.hash, "another start")
    for one in of("session.ended"):
        finals = [canonical(payload[64:]) for kind, _, payload in records(recording.data) if kind == 6 and payload]
        need(not finals or "root" not in one or finals[0]["root"] == one["root"], "another end")
    _, size, root = checkpoint(audit["batches"][0]["checkpoint"], own)
    _, before, earlier = checkpoint(recording.header["auditCheckpoint"], own)
    need(consistent(before, earlier, size, root, [b64(hash) for hash in facts["consistency"]]), "the log does not go on")
    check_lists(canonical(files["auditors.json"][:-1]))
    opened = facts["key"]
    if opened["kind"] == "passphrase":
        if passphrase is None:
            return state
        under = hashlib.pbkdf2_hmac("sha256", passphrase.encode(), b64(opened["salt"]), opened["iterations"], 32)
        context = parts("tagout/v1/evidence-key", facts["recording"])
        opened = canonical(AESGCM(under).decrypt(b64(opened["nonce"]), b64(opened["sealed"]), context))
    frames = list(frames_of(recording, opened))
    need(frames, "nothing opens")
    return state


def frames_of(recording, opened):
    if opened["kind"] == "recording":
        yield from recording.frames(b64(opened["recording"]))
        return
    keys = {one["segment"]: b64(one["key"]) for one in opened["segments"]}
    for kind, _, payload in records(recording.data):
        if kind == 2:
            head = canonical(payload)
            segment, index, head_hash = head["segment"], 0, sha256(payload)
            need(b64(head["commitment"]) == keys[segment][32:], "commitment")
            key = AESGCM(keys[segment][:32])
        elif kind == 3:
            aad = parts("tagout/v1/recording-chunk", recording.header["recording"], recording.hash, head_hash,
                        u32(segment), u32(index), payload[:1])
            plain = key.decrypt(bytes(8) + u32(index), payload[1:], aad)
            index += 1
            yield from decode(inflate(plain) if payload[0] & 1 else plain)


def check_lists(links):
    """docs/auditor-keys.md: each list names the hash of the one before."""
    previous = None
    for version, link in enumerate(links, 1):
        body = b64(link["body"])
        value = canonical(body)
        need(value["version"] == version and link["version"] == version, "version of a list")
        need(value["previous"] == (previous and base64.b64encode(previous).decode()), "list does not continue")
        previous = sha256(body)


def verdict(path, key, passphrase):
    try:
        data = open(path, "rb").read()
        if data[:2] == b"PK":
            return verify_package(data, key, passphrase)
        if data[:4] == bytes.fromhex("89544743"):
            return Cut(data).verify()
        if data[:4] == bytes.fromhex("89544752"):
            return Recording(data).verify()
        return verify_log(data.decode(), key)
    except (Tampered, ValueError, KeyError, TypeError, IndexError, AttributeError, StopIteration, struct.error,
            InvalidSignature, InvalidTag) as error:
        return f"tampered: {error}"  # whatever does not parse was changed


def main(*given):
    options, paths = {}, []
    words = iter(given)
    for word in words:
        if word.startswith("--"):
            options[word] = next(words)
        else:
            paths.append(word)
    key = base64.b64decode(options["--key"]) if "--key" in options else None
    verdicts = [verdict(path, key, options.get("--passphrase")) for path in paths]
    for path, one in zip(paths, verdicts):
        print(f"{path}: {one}")
    sys.exit(any(one.startswith("tampered") for one in verdicts))


if __name__ == "__main__":
    main(*sys.argv[1:])
