import { Button, PasswordInput, TextInput } from '@mantine/core'
import { useMutation, useQuery } from '@tanstack/react-query'
import { useState } from 'react'
import { errorText, NoAnswer } from '../api/fault'
import { forget, logIn, readyQuery } from '../api/queries'
import { Logo } from '../parts/Logo'
import { Notice } from '../parts/Notice'
import { Prose } from '../parts/Prose'
import { sentence } from '../words/status'
import { useTitle } from '../parts/title'
import classes from './Login.module.css'

/** Asks for an account. It stands in the place of the view that was asked for, which then follows. */
export function LoginPage() {
  useTitle('Log in')
  const [account, setAccount] = useState('')
  const [password, setPassword] = useState('')
  const login = useMutation({
    mutationFn: () => logIn(account.trim(), password),
    onSuccess: () => forget(),
  })
  // A group without a majority lets nobody in, and takes its time to say so.
  const reasons = (useQuery(readyQuery).data ?? []).filter((r) => !r.startsWith('not enrolled'))
  return (
    <main className={classes.page}>
      <form
        className={classes.card}
        onSubmit={(e) => {
          e.preventDefault()
          login.mutate()
        }}
      >
        <div className={classes.head}>
          <Logo size={52} />
          <div>
            <h1>Skerry</h1>
            <p className="muted">{window.location.host}</p>
          </div>
        </div>
        {login.error ? (
          <Notice
            tone="bad"
            title={login.error instanceof NoAnswer ? 'The server does not answer' : 'Not logged in'}
            alert
          >
            {sentence(errorText(login.error))}.
          </Notice>
        ) : null}
        {reasons.length > 0 ? (
          <Notice tone="warn" title="This server cannot do all of its work">
            {reasons.map((r) => (
              <div key={r}>
                <Prose text={sentence(errorText(r))} />.
              </div>
            ))}
          </Notice>
        ) : null}
        <TextInput
          label="Account"
          name="account"
          autoComplete="username"
          autoCapitalize="none"
          spellCheck={false}
          autoFocus
          required
          withAsterisk={false}
          maxLength={64}
          value={account}
          onChange={(e) => setAccount(e.currentTarget.value)}
        />
        <PasswordInput
          label="Password"
          name="password"
          autoComplete="current-password"
          required
          withAsterisk={false}
          maxLength={1024}
          value={password}
          onChange={(e) => setPassword(e.currentTarget.value)}
        />
        <Button type="submit" loading={login.isPending} fullWidth>
          Log in
        </Button>
      </form>
      <Sea />
    </main>
  )
}

/** A quiet horizon: rocks and swell along the lower edge. */
function Sea() {
  return (
    <svg
      className={classes.sea}
      viewBox="0 0 1440 260"
      preserveAspectRatio="xMaxYMax slice"
      aria-hidden="true"
      focusable="false"
    >
      <path
        className={classes.far}
        d="M0 150 90 138 150 146 240 128 330 148 1010 150 1090 132 1160 142 1230 120 1320 146 1440 140V260H0z"
      />
      <path
        className={classes.rock}
        transform="translate(140)"
        d="M925 215V192L985 150 1012 160 1058 96 1086 128 1104 136 1150 190V215z"
      />
      <path
        className={classes.rock}
        transform="translate(140)"
        d="M1165 215V192L1192 172 1206 176 1226 160 1252 192V215z"
      />
      <path
        className={classes.swell1}
        d="M0 186q60-14 120 0t120 0 120 0 120 0 120 0 120 0 120 0 120 0 120 0 120 0 120 0 120 0V260H0z"
      />
      <path className={classes.swell2} d="M0 214q80-18 160 0t160 0 160 0 160 0 160 0 160 0 160 0 160 0 160 0V260H0z" />
      <path className={classes.swell3} d="M0 240q100-16 200 0t200 0 200 0 200 0 200 0 200 0 200 0 200 0V260H0z" />
    </svg>
  )
}
