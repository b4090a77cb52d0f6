import assert from "node:assert/strict";
import fc from "fast-check";
import { isPublicAddress } from "./address.ts";

Deno.test("ordinary addresses of the internet are public", () => {
  for (
    const address of ["8.8.8.8", "1.1.1.1", "172.15.0.1", "172.32.0.1", "2606:4700::1111", "2a00:1450::1"]
  ) {
    assert.ok(isPublicAddress(address), address);
  }
});

Deno.test("loopback, private, shared and link-local addresses are not public", () => {
  const refused = [
    ...["127.0.0.1", "127.255.255.254", "0.0.0.0", "10.0.0.1", "172.16.0.1", "172.31.255.255", "192.168.1.1"],
    ...["100.64.0.1", "169.254.1.1", "::1", "::", "fc00::1", "fd12:3456::1", "fe80::1", "fec0::1"],
  ];
  for (const address of refused) assert.ok(!isPublicAddress(address), address);
});

Deno.test("the metadata addresses of the clouds are not public", () => {
  const refused = [
    "169.254.169.254",
    "169.254.170.2",
    "168.63.129.16",
    "100.100.100.200",
    "192.0.0.192",
    "fd00:ec2::254",
  ];
  for (const address of refused) assert.ok(!isPublicAddress(address), address);
});

Deno.test("multicast, broadcast, documentation and reserved ranges are not public", () => {
  const refused = [
    ...[
      "224.0.0.1",
      "255.255.255.255",
      "240.0.0.1",
      "192.0.2.1",
      "198.51.100.1",
      "203.0.113.1",
      "198.18.0.1",
    ],
    ...["ff02::1", "2001:db8::1", "3fff::1", "100::1", "5f00::1", "4000::1", "e000::1"],
  ];
  for (const address of refused) assert.ok(!isPublicAddress(address), address);
});

Deno.test("IPv6 forms that carry an IPv4 address are not public, whichever address it is", () => {
  const refused = [
    ...["::127.0.0.1", "::ffff:127.0.0.1", "::ffff:7f00:1", "::ffff:0:127.0.0.1", "::ffff:8.8.8.8"],
    ...[
      "64:ff9b::7f00:1",
      "64:ff9b:1::7f00:1",
      "64:ff9b::808:808",
      "2002:7f00:1::",
      "2002:808:808::",
      "2001::1",
    ],
  ];
  for (const address of refused) assert.ok(!isPublicAddress(address), address);
});

Deno.test("what is no address is not public", () => {
  for (const address of ["", "localhost", "[::1]", "fe80::1%eth0", "8.8.8.8:80", "8.8.8.8/32", "1.2.3.4.5"]) {
    assert.ok(!isPublicAddress(address), address);
  }
});

Deno.test("no address of a private block is public", () => {
  const octet = fc.integer({ min: 0, max: 255 });
  fc.assert(fc.property(octet, octet, octet, (a, b, c) => {
    assert.ok(!isPublicAddress(`10.${a}.${b}.${c}`));
    assert.ok(!isPublicAddress(`127.${a}.${b}.${c}`));
    assert.ok(!isPublicAddress(`169.254.${b}.${c}`));
    assert.ok(!isPublicAddress(`192.168.${b}.${c}`));
    assert.ok(!isPublicAddress(`172.${16 + (a % 16)}.${b}.${c}`));
  }));
});

Deno.test("any text gets an answer", () => {
  fc.assert(fc.property(fc.string(), (text) => typeof isPublicAddress(text) === "boolean"));
});
