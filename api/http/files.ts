import { existsSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import express, { type RequestHandler } from 'express'
import { HttpRefusal } from './problem.ts'

/** Serves the built console. Its files carry a hash of their content in their names; `index.html` alone is asked for anew. */
export function consoleFiles(folder: string): readonly RequestHandler[] {
  const index = join(folder, 'index.html')
  return [
    servePacked(join(folder, 'assets')),
    express.static(folder, {
      index: false,
      dotfiles: 'ignore',
      redirect: false,
      fallthrough: true,
      setHeaders: (response, path) =>
        response.setHeader(
          'Cache-Control',
          path.includes('/assets/') ? 'public, max-age=31536000, immutable' : 'no-cache',
        ),
    }),
    (request, response, next) => {
      const isPage = request.method === 'GET' || request.method === 'HEAD'
      // Pages of the console have no dots in their addresses; what has one is a file that is not there.
      if (!isPage || request.path.startsWith('/api') || request.path.includes('.')) return next()
      if (!existsSync(index))
        throw new HttpRefusal({
          code: 'unavailable',
          message: 'the console has not been built',
          next: 'run npm start, which builds it',
        })
      response.sendFile(index, { headers: { 'Cache-Control': 'no-cache' }, cacheControl: false })
    },
  ]
}

/** Sends the packed twin of an asset to browsers that take gzip. Twins are known from the start; no name of a request is looked up on the disk. */
function servePacked(assets: string): RequestHandler {
  const twins = new Set(existsSync(assets) ? readdirSync(assets).filter((name) => name.endsWith('.gz')) : [])
  return (request, response, next) => {
    const name = request.path.startsWith('/assets/') ? request.path.slice('/assets/'.length) : ''
    const twin = `${name}.gz`
    if (!twins.has(twin)) return next()
    response.vary('Accept-Encoding')
    if (request.acceptsEncodings('gzip') !== 'gzip') return next()
    response.sendFile(join(assets, twin), {
      cacheControl: false,
      headers: {
        'Cache-Control': 'public, max-age=31536000, immutable',
        'Content-Encoding': 'gzip',
        'Content-Type': typeOf(name),
      },
    })
  }
}

function typeOf(name: string): string {
  if (name.endsWith('.css')) return 'text/css; charset=utf-8'
  return name.endsWith('.svg') ? 'image/svg+xml' : 'text/javascript; charset=utf-8'
}
