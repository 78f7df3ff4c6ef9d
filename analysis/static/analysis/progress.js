"use strict";
// Follows a running export; when it ends, the page is loaded once more and shows how.
document.addEventListener("DOMContentLoaded", () => {
    const bar = document.querySelector("progress[data-export]");
    if (!bar) return;
    const follow = async () => {
        try {
            const answer = await fetch(bar.dataset.export, {headers: {Accept: "application/json"}});
            if (answer.ok) {
                const job = await answer.json();
                if (job.finished) return location.reload();
                bar.value = job.percent;
                bar.nextElementSibling.textContent = job.rows.toLocaleString();
            }
        } catch (error) {
            // The network is away for a moment: the next round tries again.
        }
        setTimeout(follow, 1000);
    };
    follow();
});
