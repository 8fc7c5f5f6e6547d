import sodium from 'libsodium-wrappers'

/** The one-time key of a client that opens an enrolment link, and what it opens the sealed second factor with. */
export async function enrolmentBox(): Promise<{
  readonly boxKey: string
  readonly open: (sealedTotp: string) => { readonly secret: string; readonly uri: string }
}> {
  await sodium.ready
  const own = sodium.crypto_box_keypair()
  return {
    boxKey: Buffer.from(own.publicKey).toString('base64'),
    open: (sealedTotp) => {
      const sealed = Buffer.from(sealedTotp, 'base64')
      const text = sodium.crypto_box_seal_open(sealed, own.publicKey, own.privateKey)
      return JSON.parse(Buffer.from(text).toString())
    },
  }
}
