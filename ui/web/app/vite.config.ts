/// <reference types="vitest/config" />
import { readFileSync } from 'node:fs'
import react from '@vitejs/plugin-react'
import { defineConfig, type Plugin } from 'vite'

// Where `npm run dev` finds a server's API. It is not used by the build.
const server = process.env['SKERRY_DEV_SERVER'] ?? 'https://127.0.0.1:8443'

export default defineConfig({
  plugins: [react(), fontLicence()],
  // The server replaces this word with a fresh nonce in each answer (ui/api, NoncePlaceholder).
  html: { cspNonce: 'SKERRY_CSP_NONCE' },
  build: {
    outDir: '../dist',
    // Old files would be embedded too. public/.keep brings back dist/.keep, which is committed so
    // that the Go embed has a folder before the page was ever built.
    emptyOutDir: true,
    target: ['chrome120', 'firefox121', 'safari17.4'],
    // The server's policy allows no data: fonts or scripts, so nothing is inlined.
    assetsInlineLimit: 0,
    chunkSizeWarningLimit: 700,
    modulePreload: { polyfill: false },
    license: { fileName: 'licences.txt' },
  },
  server: { proxy: { '/api': { target: server, secure: false, changeOrigin: false } } },
  test: { include: ['src/**/*.test.ts'], environment: 'node' },
})

/** build.license knows scripts only; the font's licence has to go with the font as well. */
function fontLicence(): Plugin {
  const file = new URL('node_modules/@fontsource-variable/ibm-plex-sans/LICENSE', import.meta.url)
  return {
    name: 'font-licence',
    apply: 'build',
    generateBundle() {
      this.emitFile({ type: 'asset', fileName: 'licence-ibm-plex-sans.txt', source: readFileSync(file) })
    },
  }
}
