import express, { type RequestHandler } from 'express'
import { HttpRefusal } from './problem.ts'

/** Bytes of a request's body, at most, where its route says nothing else. */
export const bodyLimit = 1024 * 1024

const maxDepth = 16
const maxMembers = 20_000
const forbiddenKeys: readonly string[] = ['__proto__', 'constructor', 'prototype']

const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })

/**
 * Reads a body of JSON strictly: declared as such, UTF-8, one object, of modest depth and size, nothing compressed.
 * `limits` are the routes that take more bytes than `bodyLimit`, as `POST /api/import`.
 */
export function jsonBody(limits: ReadonlyMap<string, number>): readonly RequestHandler[] {
  const readerOf = (limit: number) => express.raw({ type: 'application/json', limit, inflate: false })
  const usual = readerOf(bodyLimit)
  const others = new Map([...limits].map(([route, limit]) => [route, readerOf(limit)]))
  return [
    (request, _response, next) => {
      if (request.method === 'GET' || request.method === 'HEAD') return next()
      const type = request.headers['content-type']
      if (type === undefined || !/^application\/json(\s*;\s*charset="?utf-8"?)?$/i.test(type))
        throw new HttpRefusal({ code: 'invalid', message: 'send application/json in UTF-8' }, 415)
      if (request.headers['content-encoding'] !== undefined)
        throw new HttpRefusal({ code: 'invalid', message: 'send the body uncompressed' }, 415)
      next()
    },
    (request, response, next) => {
      const reader = others.get(`${request.method} ${request.baseUrl}${request.path}`) ?? usual
      reader(request, response, next)
    },
    (request, _response, next) => {
      if (request.method === 'GET' || request.method === 'HEAD') request.body = undefined
      else request.body = parseBody(request.body)
      next()
    },
  ]
}

function parseBody(bytes: unknown): Readonly<Record<string, unknown>> {
  if (!Buffer.isBuffer(bytes) || bytes.length === 0) return {}
  let value: unknown
  try {
    value = JSON.parse(utf8.decode(bytes))
  } catch {
    throw new HttpRefusal({ code: 'invalid', message: 'the body is not JSON in UTF-8' })
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value))
    throw new HttpRefusal({ code: 'invalid', message: 'the body is not a JSON object' })
  checkShape(value)
  return value as Readonly<Record<string, unknown>>
}

/** Without recursion: the depth is the sender's choice. */
function checkShape(root: object): void {
  let members = 0
  const waiting: { readonly value: object; readonly depth: number }[] = [{ value: root, depth: 1 }]
  for (let next = waiting.pop(); next !== undefined; next = waiting.pop()) {
    for (const [key, member] of Object.entries(next.value)) {
      members += 1
      if (members > maxMembers || next.depth > maxDepth)
        throw new HttpRefusal({
          code: 'invalid',
          message: 'the body has too many parts or is nested too deep',
        })
      if (forbiddenKeys.includes(key))
        throw new HttpRefusal({ code: 'invalid', message: 'the body has a member of a forbidden name' })
      if (typeof member === 'object' && member !== null)
        waiting.push({ value: member, depth: next.depth + 1 })
    }
  }
}
