"use strict";
// What the theme leaves to the mouse or to the eye: names for controls that are only drawn, and the keyboard.

const sentence = text => text && text.charAt(0).toUpperCase() + text.slice(1);

// The words of charts begin as heads of columns do, and have the colour of the page's own, light or dark: the theme
// updates charts when that changes.
const inkCharts = () => {
    if (!window.Chart) return;
    const beforeUpdate = chart => {
        const dark = document.documentElement.classList.contains("dark");
        const name = dark ? "--color-base-400" : "--color-base-600";
        const ink = getComputedStyle(document.documentElement).getPropertyValue(name).trim();
        for (const scale of Object.values(chart.options.scales)) {
            scale.ticks.color = scale.title.color = ink;
            scale.title.text = sentence(scale.title.text);
        }
        chart.data.datasets.forEach(one => { one.label = sentence(one.label); });
        chart.options.plugins.legend.labels.color = ink;
    };
    Chart.register({id: "ink", beforeUpdate});
    Object.values(Chart.instances).forEach(chart => chart.update());
};

// Escape closes what lies over the page: the filters, or a menu.
document.addEventListener("keydown", event => {
    if (event.key !== "Escape") return;
    const beside = document.querySelector("#changelist-filter-close");
    (beside?.getClientRects().length ? beside : document.body).click();
});

document.addEventListener("DOMContentLoaded", () => {
    inkCharts();
    // A browser that is busy forgets what the page wants to have the focus.
    if (document.activeElement === document.body) document.querySelector("[autofocus]")?.focus();
    const words = document.querySelector("meta[name=das-words]")?.dataset;
    if (!words) return;
    const drawn = {gas_meter: words.home, dock_to_right: words.sidebar, menu: words.sidebar, close: words.close,
        search: words.search, more_vert: words.more, more_horiz: words.more, add: words.add};
    const iconOf = one => (one.matches(".material-symbols-outlined") ? one : one.querySelector(".material-symbols-outlined"))?.textContent.trim();
    const textOf = one => {
        const copy = one.cloneNode(true);
        copy.querySelectorAll(".material-symbols-outlined").forEach(icon => icon.remove());
        return one.matches(".material-symbols-outlined") ? "" : copy.textContent.trim();
    };
    const name = one => {
        if (!textOf(one) && !one.title && !one.getAttribute("aria-label") && drawn[iconOf(one)]) {
            one.setAttribute("aria-label", drawn[iconOf(one)]);
        }
    };
    document.querySelectorAll("a, button").forEach(name);
    document.querySelectorAll("span[x-on\\:click], div[x-on\\:click], a[x-on\\:click]:not([href])").forEach(one => {
        if (!textOf(one) && !iconOf(one)) return;
        one.tabIndex = 0;
        one.setAttribute("role", "button");
        name(one);
        one.addEventListener("keydown", event => {
            if (event.target !== one || (event.key !== "Enter" && event.key !== " ")) return;
            event.preventDefault();
            one.click();
        });
    });
    // A narrow window shows the heads of columns beside each cell, where they begin a line.
    document.querySelectorAll("[data-label]").forEach(one => { one.dataset.label = sentence(one.dataset.label); });
    document.querySelectorAll("input[placeholder]:not([aria-label])").forEach(one => {
        if (!one.labels.length) one.setAttribute("aria-label", one.placeholder);
    });
    // Made by the theme's scripts, a moment later.
    const late = {".simplebar-content-wrapper": words.scrollable, ".select2-search__field": words.search};
    const nameLate = () => Object.entries(late).forEach(([which, called]) => {
        document.querySelectorAll(which).forEach(one => {
            if (one.getAttribute("aria-label") !== called) one.setAttribute("aria-label", called);
        });
    });
    new MutationObserver(nameLate).observe(document.body, {childList: true, subtree: true});
    nameLate();
});
