"""Looks at the dashboard as a person on call would: the demonstration's story, odd names, a fleet.

usage: dashboard_test.py BINARY PICTURES
"""

import os
import sys
import tempfile
import time
import traceback

from browser import Browser
from fleet import TESTS as FLEET
from fleet import Fleet
from gateway import Gateway, ask
from provider import Provider

EVIL = "<img src=x onerror=window.broken=1>"
ROW = "#pools .pool:first-child tr[data-state]"
STATE = f"return document.querySelector('{ROW}')?.dataset.state"

CONFIG = """
listen = "127.0.0.1:0"

[admin]
listen = "127.0.0.1:0"

[store]
enabled = false

[[upstream]]
name = "scripted"
base_url = "{base_url}"
api_key_env = "SCRIPTED_KEY"

[[pool]]
name = "{evil} & friends"
targets = [
    {{ model = "{evil}", upstream = "scripted" }},
    {{ model = "plain", upstream = "scripted" }},
]
"""


# The story of the demonstration, in this order: each test takes it up where the one before left it.


def the_page_is_there_and_live(page):
    first = page.until("numbers", "return document.getElementById('t-requests').textContent")
    page.until("the feed", "return document.getElementById('connection').textContent === 'Live'")
    assert page.text("#headline-words") in ("All traffic as asked", "No requests yet")
    script = "return document.getElementById('t-requests').textContent !== arguments[0]"
    page.until("another number", script, 15, first)
    clock = page.text("#demo-clock")
    assert clock.startswith(("13:59", "14:00")), clock


def every_target_has_a_row_with_its_state_in_words(page):
    rows = page.run(
        "return [...document.querySelectorAll('#pools tr[data-state]')]"
        ".map((row) => [row.querySelector('.name').textContent, row.querySelector('.badge').textContent])"
    )
    assert dict(rows).keys() >= {"gpt-4o", "gpt-4o-mini", "llama-3.3-70b"}, rows
    assert all(state for _, state in rows), rows


def a_pool_is_steered_by_hand(page):
    drain = "#pools .pool:last-child tbody tr:last-child .c-actions button:last-child"
    row = "document.querySelector('#pools .pool:last-child tbody tr:last-child')"
    page.until("a state", f"return {row}.dataset.state === 'healthy'")
    page.click(drain)
    assert page.run("return document.getElementById('confirmation').open")
    assert page.text("#confirmation-title").startswith("Drain ")
    page.press("ESCAPE")
    page.until_closed("confirmation")
    assert page.run(f"return {row}.dataset.state") == "healthy"
    page.click(drain)
    page.click("#confirmation-do")
    page.until("drained", f"return {row}.dataset.state === 'drained'")
    page.until_closed("confirmation")
    page.click(drain)
    page.click("#confirmation-do")
    page.until("restored", f"return {row}.dataset.state === 'healthy'")
    page.until_closed("confirmation")


def it_is_pleasing_by_day_and_night_on_a_desk_and_on_a_phone(page):
    for scheme in ("light", "dark"):
        page.colours(scheme)
        for width, height in ((1280, 900), (390, 844)):
            page.size(width, height)
            page.until("the colours", f"return document.documentElement.dataset.theme === '{scheme}'")
            page.still()
            page.picture(f"story-{width}-{scheme}")
            found = page.violations()
            assert not found, f"{width} {scheme}: {found}"
    page.colours("light")
    page.size(1280, 900)


def it_shows_the_wall_and_counts_down_to_its_end(page):
    page.until("the wall", STATE + " === 'walled'", 40)
    page.until("the headline", "return /is walled until/.test(document.getElementById('headline-words').textContent)")
    first = page.until("a countdown", f"return document.querySelector('{ROW} .countdown').textContent")
    script = f"return document.querySelector('{ROW} .countdown').textContent !== arguments[0]"
    page.until("another second", script, 15, first)
    assert " until 1" in first, first


def a_click_on_a_decision_explains_it(page):
    page.until("decisions", "return document.querySelectorAll('.decision').length > 0")
    words = page.text(".decision .words")
    assert words.startswith("gpt-4o \u2192 "), words
    page.click(".decision:not(:disabled)")
    page.until("the candidates", "return document.querySelectorAll('.candidates tbody tr').length")
    picked = page.run("return document.querySelectorAll('.candidates [data-picked]').length")
    assert picked == 1, picked
    rows = page.run("return [...document.querySelectorAll('.candidates tbody th')].map((th) => th.textContent)")
    assert len(rows) == 3, rows
    assert not (found := page.violations()), found
    page.picture("explanation-1280-light")
    page.press("ESCAPE")
    page.until_closed("explanation")


def it_shows_who_got_another_model(page):
    page.until("a move", "return document.querySelectorAll('#moves tr').length")
    assert "gpt-4o" in page.text("#moves tr")
    assert int(page.text("#t-substituted").replace(",", "")) > 0


def everything_is_usable_on_a_phone(page):
    page.size(390, 844)
    page.fits(390)
    small = page.run(
        "return [...document.querySelectorAll('button, select, summary')]"
        ".filter((one) => one.checkVisibility())"
        ".map((one) => [one.textContent.slice(0, 20), one.getBoundingClientRect()])"
        ".filter(([, box]) => box.width < 24 || box.height < 24)"
        ".map(([text, box]) => `${text} ${box.width} x ${box.height}`)"
    )
    assert not small, small
    page.picture("wall-390-light")
    page.size(1280, 900)


def everything_is_reached_by_keyboard_and_shows_where_one_is(page):
    page.run("document.activeElement.blur(); window.scrollTo(0, 0)")
    seen = []
    for _ in range(60):
        page.press("TAB")
        at = page.run(
            "const one = document.activeElement;"
            "const style = getComputedStyle(one);"
            "return [one.tagName, one.id || one.className || one.textContent, style.outlineStyle, style.outlineWidth]"
        )
        if at[0] == "BODY":
            # Between its end and its beginning a page is left for the browser's own controls.
            if seen:
                break
            continue
        assert at[2] != "none" and at[3] != "0px", at
        seen.append(at[1])
    for wanted in ("skip", "replay", "theme", "plot", "quiet", "decision"):
        assert any(wanted in one for one in seen), (wanted, seen)
    # The chart is walked by arrows.
    page.run("document.querySelector('.plot').focus()")
    page.press("ARROW_LEFT", "ARROW_LEFT")
    readout = "document.querySelector('.readout').textContent"
    read = page.until("a time", f"return {readout}.match(/^[0-9]{{2}}:[^ ]*: /)?.[0]")
    # It stays there while the page goes on.
    clock = "document.getElementById('demo-clock').textContent"
    page.until("a later time", f"return {clock} !== arguments[0]", 15, page.run(f"return {clock}"))
    time.sleep(2.5)
    assert page.run(f"return {readout}").startswith(read), (read, page.run(f"return {readout}"))
    page.press("ARROW_LEFT")
    page.until("an earlier time", f"return {readout} < arguments[0]", 15, read)
    page.run("document.activeElement.blur()")
    page.until("what is so now", f"return {readout}.startsWith('Now')")
    # And by Enter a decision is explained.
    page.run("document.querySelector('.decision:not(:disabled)').focus()")
    page.press("ENTER")
    page.until("the dialog", "return document.getElementById('explanation').open")
    page.press("ESCAPE")
    page.until("the decision again", "return document.activeElement.className === 'decision'")


def it_shows_the_recovery(page):
    page.until("the end of the wall", STATE + " !== 'walled'", 30)
    share = f"return parseInt(document.querySelector('{ROW} .c-share .main').textContent)"
    # What is shown is an average, which may fall for a while yet.
    grows = f"const now = (() => {{ {share} }})(); window.lowest = Math.min(window.lowest ?? now, now);"
    page.until("a growing share", f"{grows} return now > window.lowest", 20)
    page.picture("recovery-1280-light")


def a_button_replays_the_story(page):
    page.click("#replay")
    page.until("the beginning", "return /^13:59:5/.test(document.getElementById('demo-clock').textContent)")


def nothing_went_wrong_and_nobody_else_was_asked(page):
    assert not (said := page.said()), said
    foreign = [one for one in page.addresses() if not one.startswith((page.base, "data:"))]
    assert not foreign, foreign
    assert len(page.addresses()) > 15


def a_lost_connection_is_said(page):
    page.gateway.stop()
    page.until("the banner", "return !document.getElementById('lost').hidden")
    assert page.text("#connection") == "Connection lost"
    page.picture("lost-1280-light")
    page.said()


STORY = [
    the_page_is_there_and_live,
    every_target_has_a_row_with_its_state_in_words,
    a_pool_is_steered_by_hand,
    it_shows_the_wall_and_counts_down_to_its_end,
    a_click_on_a_decision_explains_it,
    it_shows_who_got_another_model,
    everything_is_usable_on_a_phone,
    # What takes long comes after what the story shows for a while only.
    it_shows_the_recovery,
    everything_is_reached_by_keyboard_and_shows_where_one_is,
    it_is_pleasing_by_day_and_night_on_a_desk_and_on_a_phone,
    a_button_replays_the_story,
    nothing_went_wrong_and_nobody_else_was_asked,
    a_lost_connection_is_said,
]


# A gateway whose models have names that nobody would choose.


def names_are_shown_and_not_run(page):
    for _ in range(3):
        ask(page.proxy, EVIL)
    page.provider.walled.add(EVIL)
    for _ in range(3):
        ask(page.proxy, EVIL)
    page.until("the wall", STATE + " === 'walled'")
    page.until("the headline", "return document.getElementById('headline-words').textContent.includes(arguments[0])", 15, EVIL)
    page.until("decisions", "return document.querySelectorAll('.decision').length > 0")
    page.click(".decision:not(:disabled)")
    page.until("the candidates", "return document.querySelectorAll('.candidates tbody tr').length")
    page.press("ESCAPE")
    page.until_closed("explanation")
    for where in (".name", ".words", ".candidates tbody th", "#moves .from", ".pool h2"):
        assert EVIL in page.text(where), where
    images = page.run("return [...document.images].map((one) => one.getAttribute('src'))")
    assert images == ["assets/icon.svg"], images
    assert not page.run("return window.broken")


def they_can_be_steered(page):
    page.click("#pools .c-actions button:first-child")
    page.click("#confirmation-do")
    page.until("pinned", "return document.querySelector('.c-actions button').textContent === 'Unpin'")
    page.until_closed("confirmation")
    page.click("#pools .c-actions button:first-child")
    page.click("#confirmation-do")
    page.until("released", "return document.querySelector('.c-actions button').textContent === 'Pin'")
    page.until_closed("confirmation")


def they_fit_on_a_phone(page):
    page.size(390, 844)
    page.fits(390)
    page.picture("names-390-light")
    page.size(1280, 900)


def no_prompt_and_no_key_is_shown(page):
    told = page.run("return document.documentElement.outerHTML")
    for secret in ("canary-prompt", "canary-key", "own-secret"):
        assert secret not in told, secret


NAMES = [
    names_are_shown_and_not_run,
    they_can_be_steered,
    they_fit_on_a_phone,
    no_prompt_and_no_key_is_shown,
    nothing_went_wrong_and_nobody_else_was_asked,
]


def run(tests, page):
    """Runs tests that build on one another: what follows a failed one is left out."""
    for number, test in enumerate(tests):
        start = time.monotonic()
        name = test.__name__.replace("_", " ")
        try:
            test(page)
        except Exception:
            traceback.print_exc()
            print(f"FAILED {name}", flush=True)
            try:
                page.picture("failed")
                print("console:", page.said())
            except Exception:
                print("no picture of it")
            return number, len(tests) - number
        print(f"ok     {name} ({time.monotonic() - start:.1f} s)", flush=True)
    return len(tests), 0


def story(binary, page):
    arguments = ["demo", "--listen", "127.0.0.1:0", "--admin", "127.0.0.1:0", "--wall"]
    page.gateway = Gateway(binary, [*arguments, "--seconds", "120"])
    page.base = page.gateway.says(r"(http://\S+/)")
    page.open(page.base)
    return run(STORY, page)


def names(binary, page):
    page.provider = Provider()
    with tempfile.TemporaryDirectory() as directory:
        path = os.path.join(directory, "gateway.toml")
        with open(path, "w", encoding="utf-8") as file:
            file.write(CONFIG.format(base_url=page.provider.base_url, evil=EVIL))
        page.gateway = Gateway(binary, ["serve", "--config", path], {"SCRIPTED_KEY": "own-secret"})
        page.base = page.gateway.says(r"dashboard on (http://\S+)") + "/"
        page.proxy = page.gateway.says(r"serving on (http://\S+)")
        page.open(page.base)
        page.until("the page", "return !document.getElementById('content').hidden")
        done = run(NAMES, page)
        page.gateway.stop()
        page.provider.close()
        return done


def fleet(binary, page):
    page.fleet = Fleet(binary)
    try:
        page.gateway = page.fleet.gateways[0]
        page.base = page.fleet.base
        page.open(page.base)
        page.until("the page", "return !document.getElementById('content').hidden")
        return run([*FLEET, nothing_went_wrong_and_nobody_else_was_asked], page)
    finally:
        page.fleet.close()


def main():
    binary, pictures = sys.argv[1:]
    page = Browser(pictures)
    page.gateway = None
    passed = failed = 0
    try:
        for part in (story, names, fleet):
            good, bad = part(binary, page)
            passed, failed = passed + good, failed + bad
            page.gateway.stop()
    finally:
        page.close()
        if page.gateway:
            page.gateway.stop()
    print(f"{passed} passed, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
