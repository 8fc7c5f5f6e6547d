import Guacamole, { type Tunnel } from 'guacamole-common-js'

type Client = InstanceType<typeof Guacamole.Client>

/**
 * Apache Guacamole's client at the end of a tunnel. `close` disconnects it and takes off what its display listens to on the
 * window, which the client itself never does: each display would stay, with its pictures, as long as the page.
 */
export function openClient(tunnel: Tunnel): { readonly client: Client; readonly close: () => void } {
  const listened: Parameters<typeof window.addEventListener>[] = []
  const own = window.addEventListener.bind(window)
  window.addEventListener = (...args: Parameters<typeof own>) => {
    listened.push(args)
    own(...args)
  }
  try {
    const client = new Guacamole.Client(tunnel)
    return {
      client,
      close: () => {
        client.disconnect()
        for (const args of listened) window.removeEventListener(...args)
      },
    }
  } finally {
    // What is found then is the prototype's again.
    Reflect.deleteProperty(window, 'addEventListener')
  }
}
